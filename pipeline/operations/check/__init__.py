"""Whether all is there that the service needs, and lets it in.

Start with `finding.py`.
"""
