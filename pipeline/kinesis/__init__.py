"""The stream: shards and their parents, a range read and unpacked, what to read next.

Start with `source.py`.
"""
