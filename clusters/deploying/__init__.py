"""From a plan to what Ansible is told: inventory, certificates, files of each node, and failures in words. Pure."""
