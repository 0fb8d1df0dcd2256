"""The demo of the trades: minutes of trading in half a minute, a service that dies in it, and the proof."""

from __future__ import annotations

import json
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from demo.acts import Heard, Service, three_acts
from demo.checks import Check, told
from demo.ground import Ground, ground
from demo.job import JobFailed, Line
from demo.pictures import Pictures
from demo.sending import Sending, sending
from demo.telling import Say
from producers.kafka import Delivered, abort, deliver
from producers.made import Made
from producers.trades import TOPIC, Mishaps, late_demonstration, trades
from tests.market import closed_windows, letters
from tests.market.candle_records import Place
from tests.processes import free_port
from tests.servers import HERE
from tests.topics import Found, create, read

END: Final = datetime(2023, 8, 25, 20, 0, tzinfo=UTC)
"""Of the trading day; what is late comes a minute later."""
LATE: Final = late_demonstration("CLOSE", END + timedelta(minutes=1))
MISHAPS: Final = Mishaps(shuffled=4.0, repeated=0.02, broken=0.01)
PARTITIONS: Final = 4
PER_SECOND: Final = 5.0
"""Trades of each name in a second of event time."""
ABORTED: Final = 25
"""Records in a transaction that is aborted: nobody may see them."""
AVERAGES: Final = "stocks_averages"
PATIENCE: Final = 180.0
"""Seconds that a window may take to be closed, and a late trade to be counted."""


class LateTrade:
    """The end of the traffic: a trade that closes every window, and once they are out one that is 12 s late.

    It is asked again and again, and true once the service counts the last one as late. `status`: asks the service.
    """

    def __init__(self, here: Ground, all_is_sent: Callable[[], bool], status: Callable[[], Line], say: Say) -> None:
        self._here, self._all_is_sent, self._status, self._say = here, all_is_sent, status, say
        self._first, self._moving, self._late = LATE
        self._asked = self._since = 0.0
        self.sent: list[Delivered] = []
        self.counted = 0

    def __call__(self) -> bool:
        now = time.monotonic()
        if self.counted or now < self._asked + 1:
            return bool(self.counted)
        self._asked = now
        if not self.sent:
            if self._all_is_sent():
                self._send(self._first, self._moving)
        elif len(self.sent) == 2:
            if self._windows_are_out():
                self._say("every window is out; a trade comes 12 s late, at 9999.00, which no window may show")
                self._send(self._late)
        else:
            self.counted = sum(self._status().get("late", {}).values())
        if self.sent and not self.counted and now > self._since + PATIENCE:
            raise JobFailed(f"after {PATIENCE:.0f} s windows are open, or the late trade is not counted")
        return bool(self.counted)

    def _windows_are_out(self) -> bool:
        """Those of the first trade, which are the last to be closed."""
        wanted = closed_windows.windows(made.value or b"" for made in (self._first, self._moving))
        found = [record.value for record in read(self._here.kafka.bootstrap, AVERAGES) if record.key == self._first.key]
        return {window.start for window in wanted} <= closed_windows.starts(found)

    def _send(self, *records: Made) -> None:
        self._since = time.monotonic()
        self.sent += deliver(self._here.client, records)


def play(names: Sequence[str], minutes: int, seconds: float, seed: int, console: Console, say: Say) -> bool:
    """All of it; whether everything adds up."""
    say("starting a Kafka broker")
    with ground() as here:
        say(f"it answers: {here.kafka.bootstrap}")
        records = list(trades(seed, names, END - timedelta(minutes=minutes), minutes * 60, PER_SECOND, MISHAPS))
        create(here.kafka.bootstrap, {TOPIC: PARTITIONS, AVERAGES: PARTITIONS})
        abort(here.client, islice(records, ABORTED), "demo.aborted")
        say(f"{len(records):,} records of {minutes} minutes for {len(names)} names, {seconds:.0f} s to send")
        heard, port = Heard(), free_port()
        service = Service("trades", here, {"METRICS_PORT": str(port)}, heard.hear)
        with sending(here.client, records, seconds) as under_way:
            end = LateTrade(here, lambda: under_way.done, partial(_status, port), say)

            def line() -> str:
                return f"{under_way.sent:,} of {under_way.total:,} records sent; {heard}"

            with Pictures(console, lambda: _picture(line(), under_way, here), line) as show:
                three_acts(service, heard, under_way, end, show, say)
        say(f"it has told of {heard}")
        say("reconciling: every record of the topic against the windows and the letters")
        checks = _checks(here, [*under_way.result(), *end.sent], end.counted)
    return told(checks, f"{len(records):,} records", console)


def _picture(line: str, under_way: Sending, here: Ground) -> RenderableType:
    bar = ProgressBar(total=under_way.total, completed=under_way.sent, width=60)
    table = Table("name", "windows", "newest (UTC)", "average", "lowest", "highest", "trades", box=SIMPLE_HEAD)
    found = [closed_windows.message(record.value or b"") for record in read(here.kafka.bootstrap, AVERAGES)]
    times = Counter(str(window["stockName"]) for window in found)
    newest = {window["stockName"]: window for window in sorted(found, key=lambda window: str(window["end"]))}
    for name, window in sorted(newest.items()):
        prices = (f"{window[field]:.2f}" for field in ("avgPrice", "minPrice", "maxPrice"))
        table.add_row(name, f"{times[name]:,}", window["end"][11:19], *prices, f"{window['count']:,}")
    return Group(Text(line), bar, table)


def _checks(here: Ground, sent: Sequence[Delivered], counted: int) -> list[Check]:
    """Everything that lies in the topic against everything that is there."""
    everything = read(here.kafka.bootstrap, TOPIC)
    kinds: Mapping[Place, str] = {(one.topic, one.partition, one.offset): one.kind for one in sent}
    broken = {place for place, kind in kinds.items() if kind == "broken"}
    good = [record.value for record in everything if _kind(record, kinds) not in ("broken", "late")]
    right = closed_windows.messages(closed_windows.windows(value for value in good if value))
    found = read(here.kafka.bootstrap, AVERAGES)
    written = read(here.kafka.bootstrap, f"{TOPIC}.letters")
    places = {letters.place_of(record) for record in everything}
    return [
        Check(
            "every window is there once, as a batch computation over all that was sent has it, to 1e-9",
            len(right),
            closed_windows.differences(((record.key, record.value) for record in found), right),
        ),
        Check(
            "every broken record is a letter, as it came, once, and nothing else is",
            len(broken),
            letters.differences(written, everything, dict.fromkeys(broken, "")),
        ),
        Check(
            "what may be read of the topic is what was sent, and nothing of the aborted transaction",
            len(everything),
            [f"{place} is in one only of topic and producer" for place in sorted(places ^ kinds.keys())],
        ),
        Check("the trade that was 12 s late is counted as late for its windows, and is in none of them", counted, []),
    ]


def _status(port: int) -> Line:
    """What the service says of itself; nothing while it does not answer."""
    try:
        with urllib.request.urlopen(f"http://{HERE}:{port}/status", timeout=5) as answer:
            return dict(json.load(answer))
    except OSError:
        return {}


def _kind(record: Found, kinds: Mapping[Place, str]) -> str:
    return kinds.get(letters.place_of(record), "")
