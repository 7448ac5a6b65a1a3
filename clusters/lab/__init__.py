"""Lab hosts: machines on this machine, for demo, development and tests.

A lab is a handful of systemd containers with sshd on a network of their own. To the rest of the product a
lab host is an ordinary SSH host; only the commands ``lab`` and ``demo`` and the tests import this package.

``plan`` decides (pure), ``engine`` runs docker, ``daemon`` starts and stops an engine of our own, ``image``
makes the root file system, ``state`` remembers, ``hosts`` is the door for callers, ``faults`` breaks things.
"""
