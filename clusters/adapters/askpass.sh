#!/bin/sh
# ssh asks this program for the password; it holds none itself, the caller's environment does (clusters/adapters/ssh.py).
printf '%s\n' "$KCLOUD_SSH_PASSWORD"
