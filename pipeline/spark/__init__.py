"""Spark's context, started and ended in order, and whether its processes may speak in clear.

Start with `context.py`.
"""
