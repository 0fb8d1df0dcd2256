"""The market live in a browser: `python -m market.dashboard`. It reads the database of the candles, and writes nothing.

Start with `shelf.py`.
"""
