"""Channel statistics: the newest count of subscribers per channel and day, and per channel and month.

Start with `latest.py` for what counts, `stats.py` for the service, `telling.py` for why it is once.
"""
