"""Kafka as services need it, without Spark: topics and what they hold, and a sink that writes once.

Start with `lanes.py`.
"""
