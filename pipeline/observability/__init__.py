"""What any service shows: probes, metrics by its name, the parts of a page, the server on METRICS_PORT.

Start with `observed.py`.
"""
