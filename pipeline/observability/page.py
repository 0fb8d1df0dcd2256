"""The page at `/` on the driver's port: `Status` for people, in one look, without a script or a build step.

It reloads itself. All that it shows is counts, names and times; no part of a message is in them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from pipeline.observability.markup import Element, document, element
from pipeline.observability.status import ShardAges, Status
from pipeline.runtime.durations import span

RELOAD_AFTER: Final = 10
"""Seconds."""
MOST_SHARDS: Final = 50
HEIGHT: Final = 100
STYLE: Final = Path(__file__).with_name("page.css").read_text()


def page(glance: Status, now: str) -> bytes:
    """The page, in UTF-8. `now`: when it was made, ISO 8601."""
    title = f"{glance.state}: bank-stream"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", http_equiv="refresh", content=str(RELOAD_AFTER)),
        element("title", title),
        element("style", STYLE),
    )
    body = element("body", _header(glance, now), element("main", *_main(glance)))
    return document(element("html", head, body, lang="en"))


def _header(glance: Status, now: str) -> Element:
    return element(
        "header",
        element("h1", "bank-stream ", element("span", glance.state, class_=f"state {_mood(glance)}")),
        element("p", f"since {_moment(glance.since)}; {glance.ready.why}"),
        element("p", f"made {_moment(now)}, anew every {RELOAD_AFTER} s", class_="dim"),
    )


def _mood(glance: Status) -> str:
    if not glance.healthy.ok or not glance.ready.ok or glance.stopped:
        return "bad"
    return "good" if glance.state == "leading" else "idle"


def _main(glance: Status) -> Iterable[Element]:
    yield from _alarms(glance)
    yield _tiles(glance)
    yield _plot(glance.per_minute)
    yield _section("Shards", _shards(glance))
    outcomes = [
        (type_ or "(unknown)", outcome, f"{number:,}")
        for type_, counts in glance.outcomes.items()
        for outcome, number in counts.items()
    ]
    letters = [(reason, f"{n:,}") for reason, n in sorted(glance.letters.items(), key=lambda letter: -letter[1])]
    yield element(
        "div",
        _section("Outcomes, last hour", _table(("type", "outcome", "messages"), outcomes, numbers=1)),
        _section("Open letters", _table(("reason", "letters"), letters, numbers=1)),
        class_="columns",
    )
    yield _section("Last batches", _batches(glance.batches))


def _alarms(glance: Status) -> Iterable[Element]:
    if not glance.healthy.ok:
        yield _alarm("stands still", glance.healthy.why)
    for wait in glance.waiting:
        yield _alarm(f"waiting for {wait.what} since {_moment(wait.since)}", wait.reason)
    for shard, why in glance.stopped.items():
        yield _alarm(f"{shard} is stopped", f"{why}; an operator decides: python -m pipeline accept-loss {shard}")
    if glance.audit_findings:
        yield _alarm("the audit does not hold", f"{glance.audit_findings:,} findings: python -m pipeline audit")


def _alarm(what: str, why: str) -> Element:
    return element("p", element("strong", what, class_="bad"), f": {why}", class_="alarm", role="alert")


def _tiles(glance: Status) -> Element:
    oldest = "" if glance.oldest_letter_seconds is None else f", oldest {_length(glance.oldest_letter_seconds)}"
    kept = "" if glance.retention_seconds is None else f", the stream keeps {_length(glance.retention_seconds)}"
    tiles = (
        (_length(glance.worst_lag), f"behind{kept}"),
        (f"{sum(glance.per_minute):,}", "messages, last hour"),
        (f"{sum(glance.letters.values()):,}", f"open letters{oldest}"),
        (f"{glance.mails.get('waiting', 0):,}", f"mails waiting, {glance.mails.get('parked', 0):,} parked"),
    )
    shown = (element("li", element("b", value), element("span", what, class_="dim")) for value, what in tiles)
    return element("ul", *shown, class_="tiles")


def _plot(per_minute: Sequence[int]) -> Element:
    """A bar a minute; what it says is in its title as well."""
    most = max(per_minute)
    title = (
        f"Messages a minute over the last {len(per_minute)} minutes: {most:,} at most, {per_minute[-1]:,} in this one"
    )
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
    marks = (f"{len(per_minute)} min ago", f"messages a minute, {most:,} at most", "now")
    return element("figure", drawing, element("figcaption", *(element("span", m) for m in marks), class_="dim"))


def _shards(glance: Status) -> Element:
    worst = sorted(
        glance.shards.items(), key=lambda shard: (shard[0] not in glance.stopped, -(shard[1].lag_seconds or 0))
    )
    rows = [
        (
            shard,
            _length(ages.lag_seconds),
            _length(ages.checkpoint_age_seconds),
            _shard_state(shard, ages, glance.stopped),
        )
        for shard, ages in worst[:MOST_SHARDS]
    ]
    if len(worst) > MOST_SHARDS:
        rows.append((f"and {len(worst) - MOST_SHARDS:,} that are less behind", "", "", ""))
    return _table(("shard", "behind", "checkpoint", "state"), rows)


def _shard_state(shard: str, ages: ShardAges, stopped: Mapping[str, str]) -> str:
    if shard in stopped:
        return "stopped"
    return "ended, or not read yet" if ages.lag_seconds is None else "read"


def _batches(batches: Sequence[Mapping[str, Any]]) -> Element:
    rows = [
        (
            _moment(str(batch["ended"])),
            f"{batch['records']:,}",
            f"{batch['applied']:,}",
            f"{batch['per_second']:,}",
            f"{batch['retries']:,}",
        )
        for batch in batches
    ]
    return _table(("ended", "messages", "rows", "a second", "retries"), rows, numbers=4)


def _section(title: str, content: Element) -> Element:
    named = title.partition(",")[0].lower().replace(" ", "-")
    return element("section", element("h2", title, id=named), content, aria_labelledby=named)


def _table(names: Sequence[str], rows: Sequence[Sequence[str]], numbers: int = 0) -> Element:
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


def _length(seconds: float | None) -> str:
    return "not known" if seconds is None else span(timedelta(seconds=seconds))


def _moment(text: str) -> str:
    return f"{datetime.fromisoformat(text):%F %T} UTC"
