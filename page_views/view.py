"""A page view as it is read from a line of a file or a record, and as it is told to others.

| reason        | meaning                                                                            |
|---------------|------------------------------------------------------------------------------------|
| no_value      | a record without a value                                                           |
| empty         | no characters, or blanks only                                                      |
| not_utf8      | bytes that are no text                                                             |
| header        | the names of the columns, where a view should be                                   |
| bad_quotes    | a quotation mark that is not closed, or stands in the midst of a field             |
| too_long      | a line of more than 256 KiB                                                        |
| wrong_columns | neither more nor less than six                                                     |
| no_user       | an empty or blank user                                                             |
| missing_field | no address, or no time                                                             |
| bad_address   | an address that cannot be parsed by the rules of WHATWG: a relative one, say       |
| not_http      | the address of something else than a page: neither http nor https                  |
| wrong_type    | a time that is no number of seconds                                                |
| not_finite    | a time that is NaN or an infinity                                                  |
| too_early     | a time before 1995                                                                 |
| far_ahead     | a time more than a day after the record's own                                      |
| robot         | the browser is a known robot                                                       |
| late          | more than VIEWS_LATENESS behind the newest view when it is read                    |
| bad_file      | a file that cannot be read: broken gzip                                            |
"""

from __future__ import annotations

import csv
import re
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

import msgspec

from page_views import address
from page_views.address import Address, without_credentials
from page_views.robots import is_robot
from pipeline.runtime.errors import Rejected

HEADER: Final = ("anonymous_user_id", "url", "time", "browser", "os", "screen_resolution")
ADDRESS: Final = 1
"""The place of the address among them."""
LONGEST: Final = 256 << 10
"""Bytes of a line."""
EARLIEST: Final = 788_918_400
"""The year 1995, in seconds since the epoch."""
AHEAD: Final = 24 * 3600
"""Seconds that a time may be after the record's own."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NUMBER: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)", re.ASCII)
_NOT_FINITE: Final = re.compile(r"[+-]?(?:nan|inf|infinity)", re.IGNORECASE)
_DIGITS: Final = 18
"""Of the seconds; more are beyond every time, and not worth computing with."""

csv.field_size_limit(LONGEST)


class View(NamedTuple):
    """`url`: without credentials. `time`: in whole seconds since the epoch."""

    user: str
    url: str
    time: int
    browser: str
    os: str
    screen: str
    address: Address


class Told(msgspec.Struct, omit_defaults=True, rename="camel", frozen=True):
    """A view as others read it, in JSON."""

    anonymous_user_id: str
    url: str
    time: str
    browser: str
    os: str
    screen_resolution: str
    path: str
    utm_source: str | None = None
    utm_medium: str | None = None
    utm_campaign: str | None = None
    referrer_host: str | None = None


def read(value: bytes | None, arrived: int) -> View:
    """The view that a record holds. `arrived`: the record's own time, in ms; not above 0 where it has none.

    Raises `Rejected`.
    """
    user, url, time, browser, os, screen = _fields(value)
    if not user:
        raise Rejected("no_user", HEADER[0])
    found = address.read(url)
    seconds = _seconds(time)
    if seconds < EARLIEST:
        raise Rejected("too_early", "time")
    if seconds > _LAST or (arrived > 0 and seconds * 1000 > arrived + AHEAD * 1000):
        raise Rejected("far_ahead", "time")
    if is_robot(browser):
        raise Rejected("robot", "browser")
    return View(user, without_credentials(url), seconds, browser, os, screen, found)


def told(view: View) -> bytes:
    """The view in JSON."""
    user, url, time, browser, os, screen, found = view
    return _encoder.encode(Told(user, url, iso(time), browser, os, screen, *found))


def iso(seconds: int) -> str:
    """A moment as the contract writes it, `2018-08-21T21:01:10.000Z`."""
    return f"{_EPOCH + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S}.000Z"


def clean(value: bytes) -> bytes:
    """The record as it came, but for credentials in its address."""
    if b"@" not in value and b"%40" not in value:
        return value
    text = value.decode(errors="surrogateescape")
    fields = text.split(",")
    if '"' not in text and len(fields) == len(HEADER):
        fields[ADDRESS] = without_credentials(fields[ADDRESS])
        cut = ",".join(fields)
    else:
        cut = without_credentials(text)
    return cut.encode(errors="surrogateescape")


def is_header(line: bytes) -> bool:
    """Whether a line is that of the columns' names."""
    if HEADER[0].encode() not in line[:64].lower():
        return False
    names = line.strip().removeprefix(b"\xef\xbb\xbf").decode(errors="replace").lower().split(",")
    return tuple(name.strip(' "') for name in names) == HEADER


_encoder: Final = msgspec.json.Encoder()
_LAST: Final = 253_402_300_799
"""The last second of the year 9999, in seconds since the epoch: no date is written beyond."""


def _fields(value: bytes | None) -> list[str]:
    if value is None:
        raise Rejected("no_value")
    if len(value) > LONGEST:
        raise Rejected("too_long")
    try:
        text = value.decode()
    except UnicodeDecodeError:
        raise Rejected("not_utf8") from None
    line = text.removesuffix("\n").removesuffix("\r")
    if not line.strip():
        raise Rejected("empty")
    if is_header(value):
        raise Rejected("header")
    fields = line.split(",") if '"' not in line else _quoted(line)
    if len(fields) != len(HEADER):
        raise Rejected("wrong_columns")
    return [field.strip() for field in fields]


def _quoted(line: str) -> list[str]:
    try:
        return next(csv.reader([line], strict=True))
    except (csv.Error, StopIteration):
        raise Rejected("bad_quotes") from None


def _seconds(text: str) -> int:
    """Whole seconds; a fraction is cut."""
    if not text:
        raise Rejected("missing_field", "time")
    if _NOT_FINITE.fullmatch(text):
        raise Rejected("not_finite", "time")
    if not _NUMBER.fullmatch(text):
        raise Rejected("wrong_type", "time")
    whole = text.partition(".")[0]
    digits = whole.lstrip("+-").lstrip("0")
    if len(digits) > _DIGITS:
        raise Rejected("too_early" if whole.startswith("-") else "far_ahead", "time")
    return int(digits or 0) * (-1 if whole.startswith("-") else 1)
