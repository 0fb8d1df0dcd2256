"""Names of topics and headers."""

from __future__ import annotations

from typing import Final

READS: Final = "page_views_raw"
VIEWS, AGGREGATES = "page_views", "aggregate_page_views"
FILES: Final = f"{READS}.files"
"""How far files of the drop folder are in `READS`; compacted."""
FILE, FAULT = "file", "fault"
"""Headers of a record that comes from a file: which line it is, and, where the file cannot be read, the reason."""
