"""The address of a page, by the rules of WHATWG: what is told of it, and what has to go before it is kept."""

from __future__ import annotations

import codecs
import re
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import unquote_to_bytes

from ada_url import URL

from pipeline.runtime.errors import Rejected

HTTP: Final = ("http:", "https:")
REFERRERS: Final = ("referrer", "referer", "ref")
"""Names of a query that may hold the address that somebody came from."""

KNOWN: Final = 20_000
"""Addresses whose reading is kept at hand: a site's pages come again and again."""
SHORT: Final = 500
"""Characters of an address that is."""
KEPT: Final = "page_views.kept"
"""How bytes are decoded that are no text."""

_IN: Final = r"[\t\r\n]*"
_SCHEME: Final = f"h{_IN}t{_IN}t{_IN}p{_IN}(?:s{_IN})?:"
_SLASHES: Final = rf"[/\\]{_IN}[/\\]"


class _Written(NamedTuple):
    """How addresses are written: how one begins, what its host ends before, the signs behind credentials, slashes."""

    begin: re.Pattern[str]
    end: re.Pattern[str]
    signs: tuple[str, ...]
    slashes: re.Pattern[str]


_PLAINLY: Final = _Written(
    re.compile(rf"(?:{_SCHEME}|{_SLASHES})[/\\\t\r\n]*", re.IGNORECASE),
    re.compile(r"[/\\?#]|\Z"),
    ("@",),
    re.compile(r"[/\\\t\r\n]+"),
)
_ENCODED: Final = _Written(
    re.compile(r"https?(?:%3a|:)(?:%2f|/){2}", re.IGNORECASE),
    re.compile(r"%2f|%3f|%23|[/\\?#&]|\Z", re.IGNORECASE),
    ("@", "%40"),
    re.compile(r"(?:%2f|/)+", re.IGNORECASE),
)
_ESCAPES: Final = re.compile(r"%[0-9A-Fa-f]{2}")
_PLAIN: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


class Address(NamedTuple):
    """`path`: without a slash at its end but for `/`. Of the others None where they are not known."""

    path: str
    utm_source: str | None = None
    utm_medium: str | None = None
    utm_campaign: str | None = None
    referrer_host: str | None = None


def read(text: str) -> Address:
    """Raises `Rejected`: missing_field, bad_address or not_http."""
    return _known(text) if len(text) <= SHORT else _read(text)


def _read(text: str) -> Address:
    if not text.strip():
        raise Rejected("missing_field", "url")
    url = _parsed(text)
    if url is None:
        raise Rejected("bad_address", "url")
    if url.protocol not in HTTP:
        raise Rejected("not_http", "url")
    named = _named(url.search)
    source, medium, campaign = (_utm(named, name) for name in ("utm_source", "utm_medium", "utm_campaign"))
    return Address(_path(url.pathname), source, medium, campaign, _referrer(named))


_known: Final = lru_cache(KNOWN)(_read)


def without_credentials(text: str) -> str:
    """The same without the user names and passwords of all web addresses in it, also of percent-encoded ones."""
    if "@" not in text and "%40" not in text:
        return text
    return _cut(_cut(text, _PLAINLY), _ENCODED)


def _cut(text: str, how: _Written) -> str:
    """In one pass, whatever the text."""
    parts, done = [], 0
    while found := how.begin.search(text, done):
        first = found.end()
        parts.append(text[done:first])
        while True:
            last = how.end.search(text, first).start()  # type: ignore[union-attr] # at the latest at the text's end
            ends = (at + len(sign) for sign in how.signs if (at := text.rfind(sign, first, last)) >= 0)
            cut = max(ends, default=first)
            parts.append(text[cut:last])
            done = last
            slashes = how.slashes.match(text, last)
            if cut == first or text[cut:last].strip("\t\r\n") or slashes is None:
                break
            parts.append(slashes[0])  # with no host before them, they go for those before it
            first = done = slashes.end()
    return "".join((*parts, text[done:]))


def _parsed(text: str) -> URL | None:
    try:
        return URL(text)
    except ValueError:
        return None


def _named(search: str) -> dict[str, list[str]]:
    """Name, in lower case → its values, both decoded."""
    found: dict[str, list[str]] = {}
    for part in search.removeprefix("?").split("&"):
        if part:
            name, _, value = part.partition("=")
            found.setdefault(_decoded(name).lower(), []).append(_decoded(value))
    return found


def _utm(named: dict[str, list[str]], name: str) -> str | None:
    return next((text for value in named.get(name, ()) if (text := value.strip().lower())), None)


def _referrer(named: dict[str, list[str]]) -> str | None:
    for name in REFERRERS:
        for value in named.get(name, ()):
            url = _parsed(value)
            if url is not None and url.protocol in HTTP:
                return str(url.hostname)
    return None


def _decoded(text: str) -> str:
    """Percent-decoded once, as UTF-8; what is none stays as it is written."""
    if "+" not in text and "%" not in text:
        return text
    return unquote_to_bytes(text.replace("+", " ")).decode(errors=KEPT)


def _kept(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    return "".join(f"%{byte:02X}" for byte in error.object[error.start : error.end]), error.end


codecs.register_error(KEPT, _kept)


def _path(path: str) -> str:
    if "%" in path:
        path = _ESCAPES.sub(_normal, path)
    return path.rstrip("/") or "/"


def _normal(escape: re.Match[str]) -> str:
    """A character that needs no escape as itself, any other escape in capitals (RFC 3986, 6.2.2)."""
    character = chr(int(escape[0][1:], 16))
    return character if character in _PLAIN else escape[0].upper()
