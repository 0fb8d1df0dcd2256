"""Dead letters listed, applied again, purged.

Start with `listing.py`.
"""
