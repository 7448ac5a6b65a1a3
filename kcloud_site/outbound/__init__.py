"""Where the portal may connect when somebody else names the address."""
