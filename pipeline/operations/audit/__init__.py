"""Stream, rows, letters and balances held against each other.

Start with `messages.py`.
"""
