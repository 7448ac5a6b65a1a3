"""What is known of a machine: lists of hosts as files, the facts gathered over SSH, the keys to sign in. Pure."""
