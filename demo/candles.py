"""The demo of the candles: a morning of trading in half a minute, a service that dies in it, and the proof."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from itertools import islice
from typing import Any, Final

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from demo.acts import Heard, Service, three_acts
from demo.checks import Check, told
from demo.ground import DATABASE, Ground, ground
from demo.pictures import Pictures
from demo.sending import Sending, sending
from demo.telling import Say
from market.symbols import topics_of
from producers.candles import Disorder, candles
from producers.kafka import Delivered, abort
from tests.market import letters
from tests.market.candle_records import Place, differences, histories
from tests.mongo import Client
from tests.topics import Found, create, read

DAY: Final = date(2023, 8, 25)
DISORDER: Final = Disorder(shuffled=10, late=0.01, repeated=0.03, corrected=0.03, broken=0.03, unusual=0.1)
ABORTED: Final = 25
"""Records in a transaction that is aborted: nobody may see them."""
LATE: Final = "late"
SHOWN: Final = ("close", "ema_12", "rsi_14", "vwap", "support", "resistance")


def play(symbols: tuple[str, ...], minutes: int, seconds: float, seed: int, console: Console, say: Say) -> bool:
    """All of it; whether everything adds up."""
    say("starting a Kafka broker and a database that speaks MongoDB's protocol")
    with ground() as here, Client(here.mongo.uri) as mongo:
        say(f"they answer: {here.kafka.bootstrap} and {here.mongo.uri}")
        records = list(candles(seed, symbols, [DAY], minutes, DISORDER))
        topics = topics_of(symbols)
        create(here.kafka.bootstrap, dict.fromkeys(topics, 1))
        abort(here.client, islice(records, ABORTED), "demo.aborted")
        say(f"{len(records):,} records: {len(symbols)} symbols, {minutes} minutes of {DAY}, sent in {seconds:.0f} s")
        heard = Heard()
        service = Service("candles", here, {"SYMBOLS": ",".join(symbols)}, heard.hear)
        with sending(here.client, records, seconds) as under_way:

            def line() -> str:
                return f"{under_way.sent:,} of {under_way.total:,} records sent; {heard}"

            with Pictures(console, lambda: _picture(line(), under_way, mongo[DATABASE], topics), line) as show:
                three_acts(service, heard, under_way, lambda: under_way.done, show, say)
        say(f"it has told of {heard}")
        say("reconciling: every record of the topics against the database and the letters")
        checks = _checks(here, mongo, topics, under_way.result())
    return told(checks, f"{len(records):,} records", console)


def _picture(line: str, under_way: Sending, database: Any, topics: tuple[str, ...]) -> RenderableType:
    bar = ProgressBar(total=under_way.total, completed=under_way.sent, width=60)
    table = Table("collection", "documents", "newest (UTC)", *SHOWN, box=SIMPLE_HEAD)
    for topic in topics:
        newest = database[topic].find_one(sort=[("_id", -1)])
        if newest:
            figures = (_figure(newest.get(name)) for name in SHOWN)
            table.add_row(topic, f"{database[topic].count_documents({}):,}", f"{newest['_id']:%H:%M}", *figures)
    return Group(Text(line), bar, table)


def _figure(value: float | None) -> str:
    return "" if not value else f"{value:.2f}"


def _checks(here: Ground, mongo: Client, topics: tuple[str, ...], sent: list[Delivered]) -> list[Check]:
    """Everything that lies in the topics against everything that is there."""
    records = {topic: read(here.kafka.bootstrap, topic) for topic in topics}
    kinds: Mapping[Place, str] = {(one.topic, one.partition, one.offset): one.kind for one in sent}
    everything = [record for topic in topics for record in records[topic]]
    broken = {place for place, kind in kinds.items() if kind == "broken"}
    told_again = histories(((letters.place_of(record), record.value) for record in everything), broken)
    documents = [(list(mongo[DATABASE][topic].find()), told_again[topic].documents()) for topic in topics]
    late = {place for history in told_again.values() for place in history.late}
    wanted = dict.fromkeys(broken, "") | dict.fromkeys(late, LATE)
    written = [letter for topic in topics for letter in read(here.kafka.bootstrap, f"{topic}.letters")]
    extra = set(mongo[DATABASE].list_collection_names()) - set(topics)
    return [
        Check(
            "every document is that of a batch computation over all that was sent, to 1e-9",
            sum(len(right) for _, right in documents),
            [line for found, right in documents for line in differences(found, right)],
        ),
        Check(
            "every broken or late record is a letter, as it came, once, and nothing else is",
            len(wanted),
            letters.differences(written, everything, wanted),
        ),
        Check(
            "what may be read of the topics is what was sent, and nothing of the aborted transaction",
            len(everything),
            _unknown(everything, kinds),
        ),
        Check("the database has a collection per symbol, and no other", len(topics), sorted(extra)),
    ]


def _unknown(everything: list[Found], kinds: Mapping[Place, str]) -> list[str]:
    places = {letters.place_of(record) for record in everything}
    return [f"{place} is in one only of topic and producer" for place in sorted(places ^ kinds.keys())]
