"""Settings of the page views."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import SecretStr, field_validator
from pydantic_core.core_schema import ValidationInfo

from pipeline.settings.analytics import AnalyticsSettings
from pipeline.settings.group import Count, setting
from pipeline.settings.lake import OptionalLakeSettings


class ViewSettings(AnalyticsSettings, OptionalLakeSettings):
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
    users_secret: SecretStr | None = setting(
        "With LAKE_URI, and needed there: what the tables' keys of users are made with, of 16 characters or more. Keep "
        "it: with another one everybody is somebody else",
        "(secret)",
        "secret",
        default=None,
        validate_default=True,
    )
    tables_interval: int = setting(
        "How often the tables are given what is new: the longer, the fewer files",
        "300",
        "seconds",
        default=60,
        ge=1,
        le=24 * 3600,
    )

    @property
    def secret(self) -> str:
        """Of the keys of users; "" without tables."""
        return self.users_secret.get_secret_value() if self.users_secret else ""

    @field_validator("users_secret")
    @classmethod
    def _long_enough(cls, secret: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if info.data.get("lake_uri") is not None and secret is None:
            raise ValueError("is missing, but LAKE_URI is given")
        if secret is not None and len(secret.get_secret_value()) < 16:
            raise ValueError("is shorter than 16 characters")
        return secret

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
