"""`make demo`: a portal, a lab, a cluster deployed through the console's own services, and a running application."""
