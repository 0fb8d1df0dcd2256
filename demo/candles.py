"""The demo of the candles: a morning of trading in half a minute, a service that dies in it, and the proof."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from itertools import islice
from typing import Any, Final

from rich.console import Console, Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.text import Text

from demo.acts import Heard, Service, three_acts
from demo.agreement import agreement, newest_of
from demo.checks import Check, told
from demo.market_ground import DATABASE, MarketGround, market_ground
from demo.pictures import Pictures
from demo.sending import Sending, sending
from demo.telling import Say
from market.symbols import topics_of
from producers.candles import Disorder, candles
from producers.kafka import Delivered, abort
from tests.market import letters
from tests.market.candle_records import Place
from tests.mongo import Client
from tests.topics import Found, create, read

DAY: Final = date(2023, 8, 25)
DISORDER: Final = Disorder(shuffled=10, late=0.01, repeated=0.03, corrected=0.03, broken=0.03, unusual=0.1)
ABORTED: Final = 25
"""Records in a transaction that is aborted: nobody may see them."""


def play(symbols: tuple[str, ...], minutes: int, seconds: float, seed: int, console: Console, say: Say) -> bool:
    """All of it; whether everything adds up."""
    say("starting a Kafka broker and a database that speaks MongoDB's protocol")
    with market_ground() as here, Client(here.mongo.uri) as mongo:
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
    return Group(Text(line), bar, newest_of(database, topics))


def _checks(here: MarketGround, mongo: Client, topics: tuple[str, ...], sent: list[Delivered]) -> list[Check]:
    """Everything that lies in the topics against everything that is there."""
    records = {topic: read(here.kafka.bootstrap, topic) for topic in topics}
    kinds: Mapping[Place, str] = {(one.topic, one.partition, one.offset): one.kind for one in sent}
    everything = [record for topic in topics for record in records[topic]]
    broken = {place for place, kind in kinds.items() if kind == "broken"}
    documents, written, collections = agreement(here.kafka.bootstrap, mongo[DATABASE], records, broken)
    return [
        documents,
        written,
        Check(
            "what may be read of the topics is what was sent, and nothing of the aborted transaction",
            len(everything),
            _unknown(everything, kinds),
        ),
        collections,
    ]


def _unknown(everything: list[Found], kinds: Mapping[Place, str]) -> list[str]:
    places = {letters.place_of(record) for record in everything}
    return [f"{place} is in one only of topic and producer" for place in sorted(places ^ kinds.keys())]
