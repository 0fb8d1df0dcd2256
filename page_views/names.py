"""Names of topics and headers."""

from __future__ import annotations

from typing import Final

READS: Final = "page_views_raw"
VIEWS, AGGREGATES = "page_views", "aggregate_page_views"
SESSIONS: Final = "page_view_sessions"
"""Ours: sessions that are over, from which their table is made."""
VIEW_FACTS, SESSION_FACTS, WINDOW_SUMS = "web.fact_page_views", "web.fact_sessions", "web.agg_page_views"
PAGES, SOURCES, BROWSERS, DATES = "web.dim_page", "web.dim_source", "web.dim_browser", "web.dim_date"
TABLES: Final = (VIEW_FACTS, SESSION_FACTS, WINDOW_SUMS, PAGES, SOURCES, BROWSERS, DATES)
FILES: Final = f"{READS}.files"
"""How far files of the drop folder are in `READS`; compacted."""
FILE, FAULT = "file", "fault"
"""Headers of a record that comes from a file: which line it is, and, where the file cannot be read, `BAD_FILE`."""
BAD_FILE: Final = "bad_file"
