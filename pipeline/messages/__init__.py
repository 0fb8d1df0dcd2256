"""A record, and what it says: decoding, reading field by field, identity, redaction; what a batch came to.

Start with `records.py`.
"""
