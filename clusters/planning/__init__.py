"""What a cluster is to be: the plan, its rules, its networks, who stands where, and what a change changes. Pure."""
