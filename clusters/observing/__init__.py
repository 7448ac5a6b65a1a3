"""What the API server says of a cluster: nodes, health, and how it differs from the plan. Pure."""
