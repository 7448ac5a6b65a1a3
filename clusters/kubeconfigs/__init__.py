"""Reading a stranger's kubeconfig: its tree, rules, certificates, and where its server may lead. Pure."""
