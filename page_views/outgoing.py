"""Windows and sessions as our topics tell them, in JSON."""

from __future__ import annotations

import hashlib

import msgspec

from page_views.sessions import Session
from page_views.view import iso


class Window(msgspec.Struct, rename="camel"):
    """A window as `aggregate_page_views` tells it."""

    start: str
    end: str
    path: str
    views: int
    unique_users: int
    sessions: int
    sketch: str
    utm_source: str | None = None
    utm_medium: str | None = None


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
