"""The demo of the page views: a day of a shop's visitors in half a minute, a service that dies in it, and the proof."""

from __future__ import annotations

import json
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from confluent_kafka import KafkaException
from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from demo.acts import Heard, Service, three_acts
from demo.checks import Check, told
from demo.day_by_source import day_by_source
from demo.ground import Ground, ground
from demo.job import JobFailed
from demo.pictures import Pictures
from demo.sending import Sending, sending
from demo.telling import EXPECTED, Say, act
from page_views.names import SESSION_FACTS, TABLES, VIEW_FACTS, WINDOW_SUMS
from pipeline.lake.description import describe
from pipeline.lake.lake import Lake
from producers.kafka import DeliveryError, deliver
from producers.made import Made
from producers.page_views import HEADER, TOPIC, page_views, single
from tests.market import letters
from tests.market.candle_records import Place
from tests.page_views import tables, told_again
from tests.topics import Found, create, read

BEGIN: Final = 1_692_921_600
"""2023-08-25T00:00:00Z."""
DAY, NIGHT = 24 * 3600, 8 * 3600
"""Seconds; views of the night come in files."""
LATENESS: Final = 3600
"""Seconds: at this pace, those of a second or two."""
GAP: Final = 1200
BATCH: Final = 1000
IN_A_FILE: Final = 2000
PARTITIONS: Final = 4
PATIENCE: Final = 240.0
"""Seconds that the last views, windows and letters may take."""
VIEWS, AGGREGATES, LETTERS = "page_views", "aggregate_page_views", f"{TOPIC}.letters"
SESSIONS: Final = "page_view_sessions"
USERS_SECRET: Final = "nobody has to know this"  # noqa: S105 - of a lakehouse that is gone afterwards
TROUBLES: Final = (*EXPECTED, KafkaException, DeliveryError)


def play_page_views(
    visitors: Annotated[int, typer.Option(min=20, help="Visitors of the day.")] = 400,
    seconds: Annotated[float, typer.Option(min=1, help="How long the sending takes.")] = 30.0,
    seed: Annotated[int, typer.Option(help="Another seed is other traffic.")] = 1,
) -> None:
    """Page views into events, windows, sessions and tables on this machine, a service that is killed, and the proof.

    Starts a Kafka broker (private, on 127.0.0.1, gone afterwards), drops the night's views into a folder as files, and
    sends those of the day faster than life, out of order, unusually written and broken, with robots among them, while
    `stream_analytics.py page-views` works on them: killed with kill -9 half-way, started again, stopped, and started
    once more to catch up. Then every window, session and row of the tables is held against a batch computation over all
    that was sent, every view and letter against its line, and the files of batches are counted; and the day is drawn.

    Exit codes: 0 no difference; 1 some, or it could not be started (a line says what); 130 interrupted.

        make demo SERVICE=page-views

        .venv/bin/python -m demo page-views --visitors 2000 --seconds 60 --seed 7
    """
    act(partial(play, visitors, seconds, seed), TROUBLES)


class End:
    """The end of the day: once all views are out, one that closes every window; once those are out, one that is late.

    It is asked again and again, and true once the last one is a letter. `expected`: how many views and windows there
    are to be.
    """

    def __init__(self, here: Ground, all_is_sent: Callable[[], bool], expected: tuple[int, int], say: Say) -> None:
        self._here, self._all_is_sent, self._say = here, all_is_sent, say
        self._views, self._windows = expected
        self._asked = self._since = 0.0
        self.sent: list[Made] = []
        self._done = False

    def __call__(self) -> bool:
        now = time.monotonic()
        if self._done or not self._all_is_sent() or now < self._asked + 1:
            return self._done
        self._asked, self._since = now, self._since or now
        if not self.sent:
            if self._number(VIEWS) >= self._views:
                self._say("every view is out; one of the day after closes all windows")
                self._send("closing", 3 * DAY)
        elif len(self.sent) == 1:
            if self._number(AGGREGATES) >= self._windows:
                self._say("every window is out; a view comes a day late")
                self._send("late", DAY)
        else:
            self._done = any(
                record.headers["reason"] == b"late" for record in read(self._here.kafka.bootstrap, LETTERS)
            )
        if now > self._since + PATIENCE:
            raise JobFailed(f"after {PATIENCE:.0f} s views, windows or a letter are missing")
        return self._done

    def _number(self, topic: str) -> int:
        return len(read(self._here.kafka.bootstrap, topic))

    def _send(self, kind: str, at: int) -> None:
        made = single(kind, BEGIN + at)
        self.sent.append(made)
        deliver(self._here.client, [made])


def play(visitors: int, seconds: float, seed: int, console: Console, say: Say) -> bool:
    """All of it; whether everything adds up."""
    say("starting a Kafka broker")
    with ground() as here:
        say(f"it answers: {here.kafka.bootstrap}")
        night = list(page_views(seed, visitors, BEGIN, NIGHT))
        day = list(page_views(seed + 1, visitors, BEGIN + NIGHT, DAY - NIGHT))
        dropped, batches = here.folder / "dropped", here.folder / "batches"
        in_files = [made for made in night if made.value and b"\n" not in made.value.rstrip() and made.value.strip()]
        _drop(dropped, [made.value or b"" for made in in_files])
        create(here.kafka.bootstrap, {**dict.fromkeys((TOPIC, VIEWS, AGGREGATES, SESSIONS), PARTITIONS), LETTERS: 1})
        everything = [*in_files, *day]
        good = [made.value or b"" for made in everything if made.kind != "broken"]
        windows = told_again.windows(good, GAP)
        say(f"{len(in_files):,} lines of the night in files, {len(day):,} records of the day in {seconds:.0f} s")
        heard = Heard()
        settings = {"PAGE_VIEWS_DIR": str(dropped), "BATCHES_DIR": str(batches), "BATCH_EVENTS": str(BATCH)}
        settings |= {"VIEWS_LATENESS": str(LATENESS), "SESSION_GAP": str(GAP)}
        lake = Lake((here.folder / "warehouse").as_uri(), f"jdbc:sqlite:{here.folder}/catalog.db")
        settings |= {"LAKE_URI": lake.uri, "LAKE_CATALOG": lake.where}
        settings |= {"USERS_SECRET": USERS_SECRET, "TABLES_INTERVAL": "10"}
        service = Service("page-views", here, settings, heard.hear)
        with sending(here.client, day, seconds) as under_way:
            end = End(here, lambda: under_way.done, (len(good), len(windows)), say)

            def line() -> str:
                return f"{under_way.sent:,} of {under_way.total:,} records sent; {heard}"

            with Pictures(console, lambda: _picture(line(), under_way, here), line) as show:
                three_acts(service, heard, under_way, end, show, say)
        say(f"it has told of {heard}")
        say("reconciling: every line against views, windows, letters and files")
        checks = [*_checks(here, everything, windows, end.sent, batches), *_of_tables(lake, everything, end.sent)]
        console.print(day_by_source(lake, BEGIN))
    return told(checks, f"{len(everything):,} lines", console)


def _drop(folder: Path, lines: Sequence[bytes]) -> None:
    """Files that appear whole, by renaming."""
    folder.mkdir()
    for number, first in enumerate(range(0, len(lines), IN_A_FILE)):
        new = folder / f".{number}.new"
        new.write_bytes(b"\n".join([HEADER, *(line.rstrip() for line in lines[first : first + IN_A_FILE])]) + b"\n")
        new.replace(folder / f"{number}.csv")


def _picture(line: str, under_way: Sending, here: Ground) -> RenderableType:
    bar = ProgressBar(total=under_way.total, completed=under_way.sent, width=60)
    table = Table("from", "windows", "newest (UTC)", "views", "sessions", box=SIMPLE_HEAD)
    sums: dict[str, Counter[str]] = defaultdict(Counter)
    newest: dict[str, str] = {}
    for window in _said(here, AGGREGATES):
        source = window["utmSource"] or "(none)"
        sums[source].update(windows=1, views=window["views"], sessions=window["sessions"])
        newest[source] = max(newest.get(source, ""), window["end"])
    for source, found in sorted(sums.items()):
        numbers = (f"{found[name]:,}" for name in ("views", "sessions"))
        table.add_row(source, f"{found['windows']:,}", newest[source][:16], *numbers)
    return Group(Text(line), bar, table)


def _checks(
    here: Ground,
    lines: Sequence[Made],
    windows: dict[told_again.Key, told_again.Numbers],
    end: Sequence[Made],
    batches: Path,
) -> list[Check]:
    """Everything that was sent against everything that is there."""
    closing, late = end
    good = [made.value or b"" for made in (*lines, closing) if made.kind != "broken"]
    views = Counter(map(told_again.view, good))
    sessions = told_again.sessions(good[:-1], GAP)
    found = Counter(map(_view, _said(here, VIEWS)))
    raw = read(here.kafka.bootstrap, TOPIC)
    broken = {made.value for made in lines if made.kind == "broken"}
    wanted: dict[Place, str] = {letters.place_of(record): "" for record in raw if _letter(record, broken)}
    wanted |= {letters.place_of(record): "late" for record in raw if record.value == late.value}
    files = sorted(int(path.stem) for path in batches.glob("[0-9]*.json"))
    full = list(range(1, views.total() // BATCH + 1))
    return [
        Check(
            "every window is there once, as a batch computation over all that was sent has it; users within 2 %",
            len(windows),
            told_again.differences(_said(here, AGGREGATES), windows),
        ),
        Check(
            "every good line is a view, once, and nothing else is",
            views.total(),
            [
                f"{one} is there {found[one]} times, not {views[one]}"
                for one in (views | found)
                if found[one] != views[one]
            ],
        ),
        Check(
            "every session is told once, as a batch computation has it",
            sessions.total(),
            _missing(sessions, Counter(map(told_again.session, _said(here, SESSIONS)))),
        ),
        Check(
            "every broken line, every robot and the late view is a letter, once, and nothing else is",
            len(wanted),
            letters.differences(read(here.kafka.bootstrap, LETTERS), raw, wanted),
        ),
        Check(
            "every line of the files is in the topic once, beside what was sent to it",
            len(raw),
            _missing(Counter(_line(made.value) for made in (*lines, *end)), Counter(_line(one.value) for one in raw)),
        ),
        Check(
            f"files of {BATCH:,} views each are numbered without a gap",
            len(files),
            [] if files == full else [str(files)],
        ),
    ]


def _of_tables(lake: Lake, lines: Sequence[Made], end: Sequence[Made]) -> list[Check]:
    good = [made.value or b"" for made in lines if made.kind != "broken"]
    closing = [made.value or b"" for made in end[:1]]
    found = describe(lake, TABLES)
    return [
        Check(
            "tables: every view, session and window is a row, once, and joins what it speaks of",
            sum(one.rows for one in found if one.name in (VIEW_FACTS, SESSION_FACTS, WINDOW_SUMS)),
            tables.differences(lake, good, GAP, USERS_SECRET, closing),
        )
    ]


def _said(here: Ground, topic: str) -> list[dict[str, Any]]:
    return [json.loads(record.value or b"") for record in read(here.kafka.bootstrap, topic)]


def _view(said: dict[str, Any]) -> told_again.View:
    at = told_again.seconds(said["time"])
    return told_again.View(said["anonymousUserId"], at, said["path"], said.get("utmSource"), said.get("utmMedium"))


def _letter(record: Found, broken: set[bytes | None]) -> bool:
    return record.value in broken or record.value is None


def _line(value: bytes | None) -> bytes | None:
    """Without what a file, or its way into the topic, takes from it."""
    return None if value is None else value.rstrip().replace(b"me:secret@", b"")


def _missing(wanted: Counter[Any], found: Counter[Any]) -> list[str]:
    return [
        f"{line} is there {found[line]} times, not {wanted[line]}"
        for line in wanted | found
        if found[line] != wanted[line]
    ]
