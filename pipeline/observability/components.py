"""What the pages on drivers' ports are made of: the frame, alarms, tiles, tables, a plot.

A page reloads itself, and runs no script. All that it shows is counts, names and times; no part of a message.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Final, Literal

from pipeline.observability.markup import Element, document, element
from pipeline.observability.status import ServiceStatus
from pipeline.runtime.durations import span

RELOAD_AFTER: Final = 10
"""Seconds."""
HEIGHT: Final = 100

Mood = Literal["good", "bad", "idle"]


def framed(service: str, status: ServiceStatus, mood: Mood, now: str, content: Iterable[Element]) -> bytes:
    """The page of a service, in UTF-8. `now`: when it was made, ISO 8601."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", http_equiv="refresh", content=str(RELOAD_AFTER)),
        element("title", f"{status.state}: {service}"),
        element("style", _style()),
    )
    header = element(
        "header",
        element("h1", f"{service} ", element("span", status.state, class_=f"state {mood}")),
        element("p", f"since {moment(status.since)}; {status.ready.why}"),
        element("p", f"made {moment(now)}, anew every {RELOAD_AFTER} s", class_="dim"),
    )
    body = element("body", header, element("main", *content))
    return document(element("html", head, body, lang="en"))


def alarms(status: ServiceStatus) -> Iterator[Element]:
    """What speaks against any service: it stands still, or waits for something."""
    if not status.healthy.ok:
        yield alarm("stands still", status.healthy.why)
    for wait in status.waiting:
        yield alarm(f"waiting for {wait.what} since {moment(wait.since)}", wait.reason)


def alarm(what: str, why: str) -> Element:
    """A line that somebody has to read."""
    return element("p", element("strong", what, class_="bad"), f": {why}", class_="alarm", role="alert")


def tiles(shown: Iterable[tuple[str, str]]) -> Element:
    """Values, each with what it is."""
    made = (element("li", element("b", value), element("span", what, class_="dim")) for value, what in shown)
    return element("ul", *made, class_="tiles")


def section(title: str, content: Element) -> Element:
    """A heading and what is below it."""
    named = title.partition(",")[0].lower().replace(" ", "-")
    return element("section", element("h2", title, id=named), content, aria_labelledby=named)


def columns(*sections: Element) -> Element:
    """Sections beside one another, where there is room."""
    return element("div", *sections, class_="columns")


def table(names: Sequence[str], rows: Sequence[Sequence[str]], numbers: int = 0) -> Element:
    """`numbers`: how many columns, from the right, hold numbers."""
    if not rows:
        return element("p", "none", class_="dim")
    kinds: list[dict[str, str]] = [{}] * (len(names) - numbers) + [{"class_": "number"}] * numbers
    head = element("tr", *(element("th", name, scope="col", **kind) for name, kind in zip(names, kinds, strict=True)))
    lines = (
        element(
            "tr",
            element("th", row[0], scope="row"),
            *(element("td", c, **k) for c, k in zip(row[1:], kinds[1:], strict=True)),
        )
        for row in rows
    )
    return element("div", element("table", element("thead", head), element("tbody", *lines)), class_="wide")


def plot(per_minute: Sequence[int], what: str = "messages") -> Element:
    """A bar a minute, the newest last; what it says is in its title as well."""
    most = max(per_minute)
    title = f"{what.capitalize()} a minute over the last {len(per_minute)} minutes: {most:,} at most, "
    title += f"{per_minute[-1]:,} in this one"
    bars = (
        element("rect", x=str(index), width="0.8", y=f"{HEIGHT - high:g}", height=f"{high:g}")
        for index, high in enumerate(HEIGHT * number / max(most, 1) for number in per_minute)
    )
    drawing = element(
        "svg",
        element("title", title),
        *bars,
        viewBox=f"0 0 {len(per_minute)} {HEIGHT}",
        preserveAspectRatio="none",
        role="img",
    )
    marks = (f"{len(per_minute)} min ago", f"{what} a minute, {most:,} at most", "now")
    return element("figure", drawing, element("figcaption", *(element("span", m) for m in marks), class_="dim"))


def length(seconds: float | None) -> str:
    """A length of time in its two largest units."""
    return "not known" if seconds is None else span(timedelta(seconds=seconds))


def moment(text: str) -> str:
    """A moment in ISO 8601, UTC, for people."""
    return f"{datetime.fromisoformat(text):%F %T} UTC"


@cache
def _style() -> str:
    """Read when it is wanted: executors have the modules in an archive, and no page."""
    return Path(__file__).with_name("page.css").read_text()
