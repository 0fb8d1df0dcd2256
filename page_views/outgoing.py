"""Windows and sessions as our topics tell them, in JSON."""

from __future__ import annotations

import base64
import hashlib

import msgspec

from page_views.sessions import LENGTH, Session
from page_views.view import iso


class Window(msgspec.Struct, rename="camel"):
    """A window as `aggregate_page_views` tells it."""

    start: str
    end: str
    path: str
    utm_source: str | None
    utm_medium: str | None
    views: int
    unique_users: int
    sessions: int
    sketch: str

    @classmethod
    def of(
        cls,
        start: int,
        path: str,
        source: str | None,
        medium: str | None,
        views: int,
        sessions: int,
        users: int,
        sketch: bytes,
    ) -> Window:
        """A window that has closed. `start`: in seconds since the epoch."""
        told = base64.b64encode(sketch).decode()
        return cls(iso(start), iso(start + LENGTH), path, source, medium, views, users, sessions, told)


class ToldSession(msgspec.Struct, rename="camel"):
    """A session as `page_view_sessions` tells it. `source_key`, `browser_key`: of the dimensions."""

    id: str
    anonymous_user_id: str
    begin: str
    end: str
    views: int
    landing_path: str
    exit_path: str
    utm_source: str | None
    utm_medium: str | None
    source_key: int
    browser_key: int

    @classmethod
    def of(cls, session: Session) -> ToldSession:
        """A session that is over."""
        first = session.first
        return cls(
            hashlib.sha256(f"{first.user}\n{first.at}".encode()).hexdigest()[:32],
            first.user,
            iso(first.at),
            iso(session.last),
            session.views,
            first.path,
            session.exit,
            first.source,
            first.medium,
            first.source_key,
            first.browser_key,
        )
