"""The feed as a process, against a broker and the stand-in of its provider: what lies in the topics in the end."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from market.clock import Clock
from market.feed.tails import LOOK, newest
from pipeline.kafka.sending import Sender
from producers.candles import NEW_YORK
from producers.provider import KEY, Provider, Trouble, standing_in
from tests.kafka import broker
from tests.market.feeding import FRIDAY, sessions
from tests.processes import free_port
from tests.servers import ROOT
from tests.topics import Sent, create, delete, produce, read

TEN = datetime(2023, 8, 25, 14, 0, 30, tzinfo=UTC)
WITHIN = 60
_numbers = count()


@pytest.fixture
def symbols(kafka: str) -> Iterator[tuple[str, ...]]:
    """Symbols of the test's own, whose topics go afterwards."""
    names = tuple(f"F{os.getpid()}-{next(_numbers)}{letter}" for letter in "ABCDEF")
    yield names
    there = [name.lower() for name in names]
    existing = {topic for topic in there if _exists(kafka, topic)}
    delete(kafka, sorted(existing))


def _exists(kafka: str, topic: str) -> bool:
    from tests.kafka import admin

    return topic in admin(kafka).list_topics(timeout=10).topics


def provider(symbols: Sequence[str], at: datetime = TEN, speed: float = 1.0, **more: Any) -> Provider:
    return Provider(symbols, sessions(8), Clock(at.timestamp(), time.time(), speed), **more)


def environment(kafka: str, plan: Provider, url: str, **more: str) -> dict[str, str]:
    own = {
        "KAFKA_BROKERS": kafka,
        "SYMBOLS": ",".join(plan.symbols),
        "MARKET_CLOCK": str(plan.clock),
        "TWELVE_DATA_URL": url,
        "TWELVE_DATA_KEY": KEY,
        "CREDITS_PER_MINUTE": str(plan.per_minute),
        "CREDITS_PER_DAY": str(plan.per_day),
        "METRICS_PORT": "0",
    }
    return {**os.environ, **own, **more}


def feed(command: str, settings: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    whole = [sys.executable, "-m", "market.feed", command, *arguments]
    return subprocess.run(whole, capture_output=True, text=True, cwd=ROOT, env=settings, timeout=WITHIN, check=False)


@contextmanager
def running(command: str, settings: Mapping[str, str], *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    whole = [sys.executable, "-m", "market.feed", command, *arguments]
    process = subprocess.Popen(whole, cwd=ROOT, env=settings)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def lies(kafka: str, symbol: str) -> list[tuple[int, dict[str, Any]]]:
    """What lies in a symbol's topic, which is all in one of its partitions: when it began, and what else it says."""
    found = read(kafka, symbol.lower())
    assert len({record.partition for record in found}) <= 1
    values = [json.loads(record.value or b"") for record in found]
    return [(int(datetime.fromisoformat(value.pop("datetime")).timestamp()), value) for value in values]


def unlike(kafka: str, plan: Provider, symbol: str) -> list[str]:
    """Where a symbol's topic is other than each candle once, in order, as it was given, without a gap."""
    there = lies(kafka, symbol)
    given = [(at, dict(fields)) for at, fields in plan.candles(symbol) if there and at >= there[0][0]]
    pairs = enumerate(zip(there, given, strict=False))
    lines = [f"{symbol} {number}: {found}, not {right}" for number, (found, right) in pairs if found != right]
    return lines if there and len(there) <= len(given) else [*lines, f"{symbol}: {len(there)} of {len(given)}"]


def until(done: Any, what: str) -> None:
    deadline = time.monotonic() + WITHIN
    while not done():
        assert time.monotonic() < deadline, what
        time.sleep(0.005)


def test_a_warm_start_that_is_killed_again_and_again_ends_without_gap_or_repeat(
    kafka: str, symbols: tuple[str, ...]
) -> None:
    plan, dice = provider(symbols, per_minute=1_000, per_day=0), random.Random(7)
    with standing_in(plan) as url:
        settings = environment(kafka, plan, url, WARM_CANDLES="2500")
        create(kafka, {symbol.lower(): 4 for symbol in symbols})
        killed = 0
        for _ in range(6):
            with running("warm-start", settings) as process:
                before = len(plan.asked)
                until(lambda before=before: len(plan.asked) > before + 1, "no call")
                time.sleep(dice.random() * 0.3)  # it reads 15,000 candles, and sends them
                killed += process.poll() is None
        assert killed
        done = feed("warm-start", settings)
        assert done.returncode == 0, done.stderr
    for symbol in symbols:
        assert unlike(kafka, plan, symbol) == []
        assert len(lies(kafka, symbol)) >= 2_500
        assert lies(kafka, symbol)[-1][0] >= TEN.timestamp() - 90


def test_live_is_ready_survives_kills_and_ends_with_0_when_it_is_asked(kafka: str, symbols: tuple[str, ...]) -> None:
    plan = provider(symbols, at=FRIDAY, speed=120, per_minute=55, per_day=0)
    port = free_port()
    with standing_in(plan) as url:
        settings = environment(kafka, plan, url, WARM_CANDLES="50", METRICS_PORT=str(port))
        for _ in range(2):
            with running("live", settings, "--until", "close") as process:
                until(lambda: _status(port) is not None or process.poll() is not None, "no page")
                until(lambda: (_status(port) or {}).get("candles", 0) > 10, "no candles")
        with running("live", settings, "--until", "close") as process:
            until(lambda: (_status(port) or {}).get("ready", {}).get("ok"), "not ready")
            before = lies(kafka, symbols[0])[-1][0]
            until(lambda: lies(kafka, symbols[0])[-1][0] > before + 300, "no minutes")
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
                assert f'feed_newest_seconds{{symbol="{symbols[0]}"}}' in answer.read().decode()
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
    assert [line for symbol in symbols for line in unlike(kafka, plan, symbol)] == []


def test_between_two_sessions_it_stands_by_and_asks_nothing(kafka: str, symbols: tuple[str, ...]) -> None:
    """From some minutes before Thursday's close to some minutes after Friday's opening."""
    close, opening = FRIDAY - timedelta(hours=17, minutes=30), FRIDAY
    plan = provider(symbols[:1], at=close - timedelta(minutes=30), speed=6_000, per_minute=55, per_day=0)
    port = free_port()
    with standing_in(plan) as url:
        settings = environment(kafka, plan, url, WARM_CANDLES="5", METRICS_PORT=str(port))
        with running("live", settings, "--until", "close") as process:
            until(lambda: (_status(port) or {}).get("state") == "standing by", "not standing by")
            assert (_status(port) or {})["ready"]["ok"]
            until(lambda: plan.clock.now() > opening.timestamp() + 7_200, "no morning")
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
    rests = max(plan.asked[0].at, close.timestamp()) + 3_600  # a start on a busy machine takes until after the close
    assert [one for one in plan.asked if rests < one.at < opening.timestamp()] == []
    assert unlike(kafka, plan, symbols[0]) == []
    times = [at for at, _ in lies(kafka, symbols[0])]
    assert close.timestamp() - 60 in times
    assert times[-1] > opening.timestamp()


def _status(port: int) -> dict[str, Any] | None:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/status", timeout=5) as answer:
            found: dict[str, Any] = json.loads(answer.read())
            return found
    except (urllib.error.URLError, OSError):
        return None


def test_live_ends_by_itself_at_its_moment_and_a_unknown_symbol_is_named(kafka: str, symbols: tuple[str, ...]) -> None:
    plan = provider(symbols[:1], at=FRIDAY + timedelta(minutes=380), speed=120, per_minute=55, per_day=0)
    with standing_in(plan) as url:
        settings = environment(kafka, plan, url, SYMBOLS=",".join(symbols[:2]), WARM_CANDLES="5")
        done = feed("live", settings, "--until", (FRIDAY + timedelta(minutes=390)).isoformat())
    assert done.returncode == 0, done.stderr
    assert unlike(kafka, plan, symbols[0]) == []
    assert lies(kafka, symbols[0])[-1][0] == (FRIDAY + timedelta(minutes=389)).timestamp()
    named = [line for line in done.stderr.splitlines() if "unknown symbol" in line]
    assert [json.loads(line)["symbol"] for line in named] == [symbols[1]]


def test_a_refused_key_ends_with_1_and_is_in_no_line(kafka: str, symbols: tuple[str, ...]) -> None:
    plan = provider(symbols)
    with standing_in(plan) as url:
        done = feed("warm-start", environment(kafka, plan, url, TWELVE_DATA_KEY="a1b2c3secret"))
    assert done.returncode == 1
    assert "the provider refuses the key of TWELVE_DATA_KEY (401)" in done.stderr
    assert "a1b2c3secret" not in done.stderr + done.stdout


def test_a_provider_that_is_away_ends_a_warm_start_with_1_after_its_patience(
    kafka: str, symbols: tuple[str, ...]
) -> None:
    plan = provider(symbols, speed=60)
    with standing_in(plan) as url:
        plan.troubles.extend([Trouble(503, b"")] * 1_000)
        done = feed("warm-start", environment(kafka, plan, url, PROVIDER_PATIENCE="60"))
    assert done.returncode == 1
    last = json.loads(done.stderr.splitlines()[-1])
    assert last["reason"] == "the provider answers with status 503"
    assert "waiting" in done.stderr


def test_a_file_is_replayed_once(kafka: str, symbols: tuple[str, ...], tmp_path: Path) -> None:
    symbols = symbols[:2]
    plan = provider(symbols)
    path = tmp_path / "candles.jsonl"
    lines = [
        json.dumps({"symbol": symbol, "datetime": datetime.fromtimestamp(at, NEW_YORK).isoformat(), **fields})
        for symbol in symbols
        for at, fields in plan.candles(symbol)
    ]
    random.Random(3).shuffle(lines)
    path.write_text("\n".join(lines[:-100]))
    settings = {**os.environ, "KAFKA_BROKERS": kafka, "SYMBOLS": ",".join(symbols)}
    assert feed("replay", settings, str(path)).returncode == 0
    assert sum(len(lies(kafka, symbol)) for symbol in symbols) == len(lines) - 100
    assert feed("replay", settings, str(path)).returncode == 0
    assert sum(len(lies(kafka, symbol)) for symbol in symbols) == len(lines) - 100
    for symbol in symbols:
        times = [at for at, _ in lies(kafka, symbol)]
        assert times == sorted(set(times))
    path.write_text("symbol,datetime\n")
    done = feed("replay", settings, str(path))
    assert (done.returncode, "holds no candles" in done.stderr) == (1, True)


def candle(minute: int, **more: Any) -> bytes:
    fields = {"datetime": f"2023-08-25 10:{minute:02}:00", "open": 1, "high": 1, "low": 1, "close": 1}
    return json.dumps({**fields, **more}).encode()


def test_the_newest_candle_of_a_topic_is_found_whoever_sent_it_and_wherever_it_lies(kafka: str) -> None:
    topics = [f"tail-{os.getpid()}-{number}" for number in range(4)]
    create(kafka, dict.fromkeys(topics, 3))
    client = {"bootstrap.servers": kafka}
    far = candle(0, datetime="2023-08-25 23:00:00")
    shuffled = [Sent(candle(minute), partition=minute % 3) for minute in (3, 9, 4, 7)]
    produce(kafka, topics[0], [*shuffled, Sent(far, partition=0), Sent(None, partition=1), Sent(b"{", partition=2)])
    produce(kafka, topics[1], [candle(5), *[b"bad"] * (LOOK * 20)])
    produce(kafka, topics[2], [b"bad"] * 3)
    now = datetime(2023, 8, 25, 15, 0, tzinfo=UTC).timestamp()
    found = newest(client, topics, NEW_YORK, now)
    ten = int(datetime(2023, 8, 25, 14, 0, tzinfo=UTC).timestamp())
    assert found == {topics[0]: ten + 9 * 60, topics[1]: ten + 5 * 60}
    delete(kafka, topics)


@pytest.mark.skipif("KAFKA_TEST_BROKERS" in os.environ, reason="somebody else's broker is not killed")
def test_brokers_that_die_while_records_are_sent_get_each_of_them_once_and_in_order(tmp_path: Path) -> None:
    with broker(tmp_path / "own") as own:
        create(own.bootstrap, {"aapl": 4})
        sender = Sender({"bootstrap.servers": own.bootstrap, "log_level": 0})
        values = [str(number).encode() for number in range(20_000)]
        for value in values[:10_000]:
            sender.send("aapl", b"aapl", value)
        own.kill9()
        for value in values[10_000:]:
            sender.send("aapl", b"aapl", value)
        waited: list[int] = []

        def meanwhile(left: int) -> None:
            waited.append(left)
            if len(waited) == 5:
                own.start()

        sender.settle(meanwhile)
        assert [record.value for record in read(own.bootstrap, "aapl")] == values
        assert len(waited) >= 5
