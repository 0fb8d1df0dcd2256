"""The demo of the channel statistics: a year of channels in half a minute, a service that dies in it, and the proof."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path
from typing import Annotated, Final

import typer
from confluent_kafka import KafkaException
from rich.console import Console, Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.text import Text

from channel_stats.registry import Registry
from demo.acts import Heard, Service, three_acts
from demo.channel_ground import ChannelGround, channel_ground
from demo.checks import Check, told
from demo.months import as_svg, on_console
from demo.pictures import Pictures
from demo.sending import Sending, sending
from demo.telling import EXPECTED, Say, act
from producers.harvests import TOPIC, Mishaps, harvests
from producers.kafka import DeliveryError
from producers.made import Made
from tests.channels import told_again
from tests.market import letters
from tests.market.candle_records import Place
from tests.schema import Schema
from tests.topics import create, read

BEGIN: Final = 1_483_228_800
"""2017-01-01T00:00:00Z."""
PER_DAY: Final = 2
PARTITIONS: Final = 4
TABLES: Final = ("yt_daily", "yt_monthly")
COMMANDS: Final = ("-m", "channel_stats")
STORES: Final = (("yt_daily",), ("yt_monthly", "--from", "yt_daily"))
TROUBLES: Final = (*EXPECTED, KafkaException, DeliveryError)


def play_channel_stats(
    channels: Annotated[int, typer.Option(min=12, help="How many channels there are.")] = 200,
    days: Annotated[int, typer.Option(min=1, help="From 2017-01-01 on.")] = 365,
    seconds: Annotated[float, typer.Option(min=1, help="How long the sending takes.")] = 30.0,
    plot: Annotated[Path | None, typer.Option(help="A file for the plot, an SVG.")] = None,
    seed: Annotated[int, typer.Option(help="Another seed is other traffic.")] = 1,
) -> None:
    """Harvests into the latest count of subscribers per day and month, a service that is killed, and the proof.

    Starts a Kafka broker, a registry of schemas and a MariaDB (private, on 127.0.0.1, gone afterwards), registers the
    schemas, and sends a year's harvests faster than life, late, shuffled, again, unusually written and broken, while
    `stream_analytics.py channel-stats` works on them: killed with kill -9 half-way, started again, stopped, and started
    once more to catch up. Then every row and every record is held against a batch computation over all that was sent,
    and the tables are stored anew from the Avro, in a schema of their own, by `python -m channel_stats store`.

    Exit codes: 0 no difference; 1 some, or it could not be started (a line says what); 130 interrupted.

        make demo SERVICE=channel-stats

        .venv/bin/python -m demo channel-stats --channels 1000 --seconds 120 --plot year.svg
    """
    act(partial(play, channels, days, seconds, plot, seed), TROUBLES)


def play(channels: int, days: int, seconds: float, plot: Path | None, seed: int, console: Console, say: Say) -> bool:
    """All of it; whether everything adds up."""
    say("starting a Kafka broker, a registry of schemas and a MariaDB")
    with channel_ground() as here:
        say(f"they answer: {here.kafka.bootstrap}, {here.registry.url}, {here.schema.url}")
        say("; ".join(here.ran(*COMMANDS, "register").splitlines()))
        records = list(harvests(seed, channels, BEGIN, days, PER_DAY, Mishaps()))
        create(here.kafka.bootstrap, {TOPIC: PARTITIONS})
        say(f"{len(records):,} records of {channels} channels and {days} days, {seconds:.0f} s to send")
        heard = Heard()
        service = Service("channel-stats", here, {}, heard.hear)
        with sending(here.client, records, seconds) as under_way:

            def line() -> str:
                return f"{under_way.sent:,} of {under_way.total:,} records sent; {heard}"

            with Pictures(console, lambda: _picture(line(), under_way, here), line) as show:
                three_acts(service, heard, under_way, lambda: under_way.done, show, say)
        say(f"its log tells of {heard}; not of what was killed before its batch had ended")
        say("storing the Avro in tables of their own, without Spark: days, and months from the days")
        other = _stored(here, say)
        say("reconciling: every harvest against topics, tables and letters")
        checks = _checks(here, records, other)
        console.print(on_console(_series(here)))
        if plot:
            plot.write_text(as_svg(_series(here)))
            say(f"the plot is in {plot}")
    return told(checks, f"{len(records):,} records", console)


def _stored(here: ChannelGround, say: Say) -> Schema:
    """A schema whose tables come from the Avro alone."""
    other = here.schema.another("yt_stored")
    where = {"MYSQL_LOC": f"jdbc:mysql://{other.host}:{other.port}/{other.name}"}
    here.ran("-m", "migrations", "yt", **where)
    for arguments in STORES:
        say(here.ran(*COMMANDS, "store", *arguments, **where).strip())
    return other


def _series(here: ChannelGround) -> dict[str, dict[str, int]]:
    """Channel → month → subscribers, as the table has them."""
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for (channel, month), (_, subs) in told_again.of_table(here.schema, "yt_monthly").items():
        found[channel][month] = subs
    return dict(found)


def _picture(line: str, under_way: Sending, here: ChannelGround) -> RenderableType:
    bar = ProgressBar(total=under_way.total, completed=under_way.sent, width=60)
    tables = {name for (name,) in here.schema.query("SHOW TABLES")}
    return Group(Text(line), bar, *([on_console(_series(here))] if "yt_monthly" in tables else []))


def _checks(here: ChannelGround, records: Sequence[Made], other: Schema) -> list[Check]:
    """Everything that was sent against everything that is there."""
    good = [made.value or b"" for made in records if made.kind != "broken"]
    schemas = cache(Registry(here.registry.url).schema)
    checks = []
    for name in TABLES:
        right = told_again.latest(good, name)
        records_of = told_again.told(read(here.kafka.bootstrap, name), name, lambda one: schemas(one) or {})
        own, stored = told_again.of_table(here.schema, name), told_again.of_table(other, name)
        checks += [
            Check(
                f"{name}: every row is the latest of all that was sent, and no other is there",
                len(right),
                told_again.differences(own, right, "table"),
            ),
            Check(
                f"{name}: the last record of each key says the same, by its schema",
                len(right),
                told_again.differences(told_again.of_topic(records_of), right, "topic"),
            ),
            Check(
                f"{name}: no record says what was said already, or anything older",
                len(records_of),
                told_again.unchanged(records_of),
            ),
            Check(
                f"{name}: stored from the Avro it comes to the same table",
                len(stored),
                told_again.differences(stored, right, "stored"),
            ),
        ]
    return [*checks, _letters(here, records)]


def _letters(here: ChannelGround, records: Sequence[Made]) -> Check:
    raw = read(here.kafka.bootstrap, TOPIC)
    broken = Counter(made.value for made in records if made.kind == "broken")
    wanted: dict[Place, str] = {letters.place_of(record): "" for record in raw if record.value in broken}
    written = read(here.kafka.bootstrap, f"{TOPIC}.letters")
    return Check(
        "every broken record is a letter, as it came, once, and nothing else is",
        broken.total(),
        letters.differences(written, raw, wanted),
    )
