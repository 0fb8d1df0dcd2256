"""Connections and transactions, what a session is set to, which error has which fate.

Start with `database.py`.
"""
