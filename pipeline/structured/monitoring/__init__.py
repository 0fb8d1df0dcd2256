"""How a service of the analytics is looked at: metrics, probes, status, page."""
