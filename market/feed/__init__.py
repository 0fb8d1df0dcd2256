"""Candles from a provider, or a file, into the topics of their symbols.

Start with `filling.py`.
"""
