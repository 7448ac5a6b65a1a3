"""What is checked before anything is deployed: the checks, the judgement of hosts and plans, the words. Pure."""
