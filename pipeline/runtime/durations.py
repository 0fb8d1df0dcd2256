"""Lengths of time in words."""

from __future__ import annotations

from datetime import timedelta


def span(length: timedelta) -> str:
    """A length of time in its two largest units: `3 d 4 h`, `12 s`."""
    seconds = max(0, int(length.total_seconds()))
    parts = [(seconds // 86400, "d"), (seconds // 3600 % 24, "h"), (seconds // 60 % 60, "min"), (seconds % 60, "s")]
    first = next((index for index, (number, _) in enumerate(parts) if number), 3)
    return " ".join(f"{number} {unit}" for number, unit in parts[first : first + 2] if number or unit == "s")
