"""Spark's context, as all services start it."""
