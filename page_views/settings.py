"""Settings of the page views."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import field_validator

from pipeline.settings.analytics import AnalyticsSettings
from pipeline.settings.group import Count, setting


class ViewSettings(AnalyticsSettings):
    """Page views: `python stream_analytics.py page-views`."""

    title: ClassVar = "page-views"

    page_views_dir: Path | None = setting(
        "Folder that files of page views are dropped into, whole, by renaming: *.csv and *.csv.gz. Unless given, the "
        "topic alone is read",
        "/var/spool/page-views",
        "folder",
        default=None,
    )
    views_lateness: int = setting(
        "How long a view may be behind the newest one; windows close so long after their end, and what comes later is "
        "a letter",
        "900",
        "seconds",
        default=600,
        ge=0,
        le=7 * 24 * 3600,
    )
    session_gap: int = setting(
        "Longest pause between two views of a session", "1800", "seconds", default=1200, ge=1, le=24 * 3600
    )
    batches_dir: Path | None = setting(
        "Folder for files of batches, 1.json, 2.json and so on, where the service notes as well how far it is; made "
        "where it is missing. Unless given, none are written",
        "/var/lib/page-views/batches",
        "folder",
        default=None,
    )
    batch_events: Count = setting("Accepted views in such a file", "10000", "views", default=1000)

    @field_validator("page_views_dir")
    @classmethod
    def _is_there(cls, folder: Path | None) -> Path | None:
        if folder is not None and not folder.is_dir():
            raise ValueError("is not a folder")
        return folder

    @field_validator("batches_dir")
    @classmethod
    def _is_no_file(cls, folder: Path | None) -> Path | None:
        if folder is not None and folder.exists() and not folder.is_dir():
            raise ValueError("is not a folder")
        return folder
