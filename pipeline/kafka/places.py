"""Where in Kafka something is."""

from __future__ import annotations

Place = tuple[str, int]
"""A topic's partition."""
