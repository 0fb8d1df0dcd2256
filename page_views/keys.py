"""What the tables know people and things by: no user, no address of a person, and the same key for the same thing.

Keys of pages, sources and browsers are made of what they say, so whoever meets one first gives it the key that
everybody gives it. Those of users and sessions are made with a secret: without it nobody finds out who somebody is by
trying all users.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from functools import lru_cache
from typing import Final, NamedTuple

SOMEBODY: Final = "(address)"
"""What stands in the place of an address of mail or of the net."""
KNOWN: Final = 50_000
"""Of each kind, kept at hand."""
SHORT: Final = 500
"""Characters of one that is: a campaign may have as many as a line."""

_MAIL: Final = re.compile(r"[\w.%+'-]{1,64}(?:@|%40)(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z0-9-]{2,63}")
_NET: Final = re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])|\[[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*\]")


class Page(NamedTuple):
    """`section`: the first part of the path."""

    path: str

    @property
    def section(self) -> str:
        return "/" + self.path.lstrip("/").partition("/")[0]


class Source(NamedTuple):
    """Where somebody came from; "" where that is not known."""

    utm_source: str
    utm_medium: str
    utm_campaign: str
    referrer_host: str


class Browser(NamedTuple):
    """What somebody looked with."""

    browser: str
    os: str
    screen_resolution: str


def page(path: str) -> tuple[int, Page]:
    """A page and its key."""
    return (_page if len(path) <= SHORT else _page.__wrapped__)(path)


def source(
    utm_source: str | None, utm_medium: str | None, utm_campaign: str | None, referrer_host: str | None
) -> tuple[int, Source]:
    """A source and its key."""
    size = len(utm_source or "") + len(utm_medium or "") + len(utm_campaign or "") + len(referrer_host or "")
    make = _source if size <= SHORT else _source.__wrapped__
    return make(utm_source, utm_medium, utm_campaign, referrer_host)


def browser(name: str, os: str, screen: str) -> tuple[int, Browser]:
    """A browser and its key. Numbers of versions look like addresses of the net, and stay."""
    short = len(name) + len(os) + len(screen) <= SHORT
    return (_browser if short else _browser.__wrapped__)(name, os, screen)


@lru_cache(KNOWN)
def _page(path: str) -> tuple[int, Page]:
    found = Page(_masked(path))
    return _key(found), found


@lru_cache(KNOWN)
def _source(*texts: str | None) -> tuple[int, Source]:
    found = Source(*(_masked(text or "") for text in texts))
    return _key(found), found


@lru_cache(KNOWN)
def _browser(*texts: str) -> tuple[int, Browser]:
    found = Browser(*(_MAIL.sub(SOMEBODY, text) for text in texts))
    return _key(found), found


class Secretive:
    """Keys of users and sessions, for those who have the secret."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()
        self._kept = lru_cache(KNOWN)(self._key)

    def key(self, name: str) -> str:
        """The key of a user or a session."""
        return self._kept(name) if len(name) <= SHORT else self._key(name)

    def _key(self, name: str) -> str:
        return hmac.digest(self._secret, name.encode(errors="surrogatepass"), "sha256")[:16].hex()


def _masked(text: str) -> str:
    if "@" in text or "%40" in text:
        text = _MAIL.sub(SOMEBODY, text)
    return _NET.sub(SOMEBODY, text) if "." in text or ":" in text else text


def _key(found: tuple[str, ...]) -> int:
    """64 bits: of a million things, one in 37 million times two have the same."""
    whole = "\0".join((type(found).__name__, *found)).encode(errors="surrogatepass")
    return int.from_bytes(hashlib.blake2b(whole, digest_size=8).digest(), signed=True)
