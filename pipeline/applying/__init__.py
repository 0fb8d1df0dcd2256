"""From records to committed rows: routing by key, lanes, one transaction per chunk; what a domain is.

Start with `domain.py`.
"""
