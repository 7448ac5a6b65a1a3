"""What `clusters` tells the apps above it, which it must not import: they connect receivers of one line."""

from django.dispatch import Signal

# Pods of applications changed. cluster_pk; pods: {(namespace, app): [SeenPod, …]} of the applications that changed, an
# empty list for one whose pods are gone; whole: `pods` is everything there is on the cluster.
pods_changed = Signal()
