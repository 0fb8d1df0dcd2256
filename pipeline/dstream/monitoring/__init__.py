"""What a stream's driver shows: its metrics, its status, its page, and what it looks up for them.

Start with `health.py`.
"""
