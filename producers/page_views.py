"""Page views of a shop's visitors, as its web team's collector writes them: the same bytes for the same seed.

Visitors come from somewhere, look at some pages and go; some come back. At the rates that are chosen their views come
out of order, unusually written, and broken, and robots are among them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from random import Random
from typing import Final, NamedTuple

from producers.made import Due, Made, in_order

TOPIC: Final = "page_views_raw"
HEADER: Final = b"anonymous_user_id,url,time,browser,os,screen_resolution"
HOSTS: Final = ("shop.example.org", "www.shop.example.org")
PAGES: Final = ("/", "/", "/", "/sale", "/products/1", "/products/2", "/products/3", "/basket", "/help", "/about-us")
SOURCES: Final = (
    ("", 50),
    ("utm_source=google&utm_medium=cpc&utm_campaign=autumn", 20),
    ("utm_source=newsletter&utm_medium=email&utm_campaign=week+34", 15),
    ("utm_source=facebook&utm_medium=social", 10),
    ("ref=https%3A%2F%2Fblog.example.net%2Fposts%2F7", 5),
)
"""What the address of a visitor's first page says of where they came from, and how many of a hundred do."""
DEVICES: Final = (
    ("Chrome", "Windows", "1920x1080"),
    ("Chrome", "Android", "412x915"),
    ("Safari", "iOS", "390x844"),
    ("Firefox", "Linux", "2560x1440"),
    ("Edge", "Windows", "1536x864"),
)
ROBOT: Final = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
PAUSE: Final = 45.0
"""Seconds between two views of a visit, on average."""
RETURN: Final = 2 * 3600.0
"""Seconds until a visitor comes back, on average."""


class View(NamedTuple):
    """`at`: seconds since the epoch."""

    user: str
    url: str
    at: str
    browser: str
    os: str
    screen: str

    def written(self) -> bytes:
        """As the collector writes it."""
        return ",".join(self).encode()


@dataclass(frozen=True)
class Mishaps:
    """What goes wrong. `shuffled`: seconds by which a view may be overtaken; the rest are shares of the views.

    `unusual`: written otherwise, and right. `broken`: cannot be read, or are nobody's, and stand beside the good ones.
    `robots`: come beside them, too.
    """

    shuffled: float = 120.0
    unusual: float = 0.1
    broken: float = 0.02
    robots: float = 0.02


def page_views(seed: int, visitors: int, begin: int, seconds: float, mishaps: Mishaps = Mishaps()) -> Iterator[Made]:
    """Views of so many visitors in `seconds` of event time from `begin` on (seconds since the epoch).

    A visitor's do not depend on the others.
    """
    numbers = count()
    return in_order(
        _Visitor(Random(f"page views {seed} {number}"), f"visitor-{number}", mishaps, numbers).sent(begin, seconds)
        for number in range(visitors)
    )


def single(kind: str, at: int, user: str = "visitor-last") -> Made:
    """One view of that moment: to close windows that are open, or to come late."""
    return Made(TOPIC, user.encode(), View(user, f"https://{HOSTS[0]}/", str(at), *DEVICES[0]).written(), kind)


class _Visitor:
    def __init__(self, random: Random, user: str, mishaps: Mishaps, numbers: Iterator[int]) -> None:
        self._random, self._user, self._mishaps, self._numbers = random, user, mishaps, numbers
        self._device = random.choice(DEVICES)

    def sent(self, begin: int, seconds: float) -> Iterator[Due]:
        draw = self._random
        passed = draw.uniform(0, min(seconds, RETURN))
        while passed < seconds:
            query = draw.choices([text for text, _ in SOURCES], [share for _, share in SOURCES])[0]
            for number in range(1 + int(draw.expovariate(1 / 4))):
                if passed < seconds:
                    yield from self._viewed(begin, passed, query if number == 0 else "")
                passed += 1 + draw.expovariate(1 / PAUSE)
            passed += draw.expovariate(1 / RETURN)

    def _viewed(self, begin: int, passed: float, query: str) -> Iterator[Due]:
        draw, mishaps = self._random.random, self._mishaps
        url = f"https://{self._random.choice(HOSTS)}{self._random.choice(PAGES)}{'?' if query else ''}{query}"
        view = View(self._user, url, str(begin + int(passed)), *self._device)
        place = passed + draw() * mishaps.shuffled
        value, kind = view.written(), "view"
        if draw() < mishaps.unusual:
            value, kind = self._random.choice(UNUSUAL)[1](view), "unusual"
        yield self._due(place, value, kind)
        if draw() < mishaps.robots:
            yield self._due(place, view._replace(user="robot", browser=ROBOT).written(), "broken")
        if draw() < mishaps.broken:
            yield self._due(place, self._random.choice(BROKEN)[1](view), "broken")

    def _due(self, place: float, value: bytes | None, kind: str) -> Due:
        return Due(place, next(self._numbers), Made(TOPIC, self._user.encode(), value, kind))


def _with(**changes: str) -> Callable[[View], bytes]:
    return lambda view: view._replace(**changes).written()


def _of_address(change: Callable[[str], str]) -> Callable[[View], bytes]:
    return lambda view: view._replace(url=change(view.url)).written()


UNUSUAL: Final[tuple[tuple[str, Callable[[View], bytes]], ...]] = (
    ("a fraction of a second", lambda view: view._replace(at=f"{view.at}.75").written()),
    ("a slash at the end", _of_address(lambda url: url if "?" in url or url.endswith("/") else f"{url}/")),
    ("names in capitals", _of_address(lambda url: url.replace("utm_source", "UTM_Source"))),
    ("a value in capitals", _of_address(lambda url: url.replace("=google", "=GOOGLE"))),
    ("a name again", _of_address(lambda url: f"{url}&utm_source=again" if "utm_source" in url else url)),
    ("an empty one before", _of_address(lambda url: url.replace("?utm_source", "?utm_source=&utm_source"))),
    ("campaigns in the fragment", _of_address(lambda url: f"{url}#utm_source=fragment")),
    ("a host in Unicode", _of_address(lambda url: url.replace(HOSTS[0], "bücher.example"))),
    ("a port", _of_address(lambda url: url.replace(".org", ".org:8443"))),
    ("a password", _of_address(lambda url: url.replace("https://", "https://me:secret@"))),
    ("quotes", lambda view: ",".join(f'"{field}"' for field in view).encode()),
    ("CRLF", lambda view: view.written() + b"\r\n"),
)
"""Names of what is unusual, and how it is written."""
BROKEN: Final[tuple[tuple[str, Callable[[View], bytes | None]], ...]] = (
    ("no value", lambda _: None),
    ("empty", lambda _: b""),
    ("not UTF-8", lambda view: b"\xff\xfe" + view.written()),
    ("a header", lambda _: HEADER),
    ("JSON", lambda view: b'{"user": "%s"}' % view.user.encode()),
    ("five columns", lambda view: view.written().rpartition(b",")[0]),
    ("seven columns", lambda view: view.written() + b",more"),
    ("a quote that is not closed", lambda view: b'"' + view.written()),
    ("no user", _with(user="")),
    ("a relative address", _with(url="/products/1")),
    ("a script", _with(url="javascript:alert(1)")),
    ("data", _with(url="data:text/html;base64,aGk=")),
    ("a blank in the host", _with(url="https://shop example.org/")),
    ("port 99999", _with(url="https://shop.example.org:99999/")),
    ("no address", _with(url="")),
    ("a long address", _with(url="/" + "x" * (64 << 10))),
    ("no time", _with(at="")),
    ("a time of words", _with(at="2018-08-21 21:01:10")),
    ("a time in ms", lambda view: view._replace(at=f"{view.at}000").written()),
    ("a time below zero", _with(at="-1")),
    ("a time that is NaN", _with(at="NaN")),
    ("the year 3000", _with(at="32503680000")),
    ("the year 1994", _with(at="788918399")),
)
"""Names of what is wrong, and how it is written."""
