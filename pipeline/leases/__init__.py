"""KCL's lease table: who reads a shard, and how far it is done.

Start with `lease.py`.
"""
