"""The steps of a trading day: their order, what each failure leaves behind, and the stream as a process."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import structlog

from market.day import stream
from market.day.settings import DaySettings
from market.day.steps import STEPS, run, todays
from market.day.stream import Stream
from market.feed import steps as feed
from market.feed.waiting import Stopped
from pipeline.runtime.errors import Fatal, PipelineError, Transient
from pipeline.runtime.stopping import StopSignal
from tests.servers import ROOT

GOOD = {
    "KAFKA_BROKERS": "127.0.0.1:1",
    "CHECKPOINT_DIR": "/nowhere",
    "MONGO_URI": "mongodb://127.0.0.1:1",
    "TWELVE_DATA_KEY": "none",
    "METRICS_PORT": "0",
}


def at(moment: str, speed: float = 1000) -> DaySettings:
    """Settings by which it is this moment now."""
    now = datetime.fromtimestamp(time.time(), UTC).isoformat()
    return DaySettings.read({**GOOD, "MARKET_CLOCK": f"{moment} {now} {speed}"})


class Recorded:
    """A stream that notes what is asked of it, and the feed's steps beside it."""

    def __init__(self, fails: str = "", with_: Exception | None = None) -> None:
        self.did: list[str] = []
        self.fails, self.error = fails, with_ or Transient("away")
        self.running = False
        self.code = 0

    def made(self, environ: Mapping[str, str], port: int, stop: StopSignal) -> Any:
        return self

    def does(self, what: str) -> None:
        self.did.append(what)
        if what == self.fails:
            raise self.error

    def __enter__(self) -> Recorded:
        return self

    def __exit__(self, *_: object) -> None:
        self.running = False

    def start(self) -> None:
        self.running = True
        self.does("stream")

    def wait_until_ready(self) -> None:
        self.does("ready")

    def wait_until_caught_up(self) -> None:
        self.does("caught-up")

    def watch(self) -> None:
        if self.fails == "opening" and self.did[-1] == "warm-start":
            self.does("opening")

    def end(self) -> int:
        self.running = False
        self.does("stop")
        return self.code


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Recorded]:
    def play(
        fails: str = "", settings: DaySettings | None = None, error: Exception | None = None, code: int = 0
    ) -> Recorded:
        recorded = Recorded(fails, error)
        recorded.code = code
        monkeypatch.setattr(feed, "make_topics", lambda *_: recorded.does("topics"))
        monkeypatch.setattr(feed, "warm_start", lambda *_: recorded.does("warm-start"))
        monkeypatch.setattr(feed, "live", lambda _, __, until, watch: recorded.does(f"live until {until:%H:%M}"))
        try:
            run(settings or at("2026-11-27T14:29:00Z"), GOOD, StopSignal(), recorded.made)
        finally:
            assert not recorded.running, "a stream is left"
        return recorded

    return play


DONE = ["topics", "stream", "ready", "warm-start", "live until 18:00", "caught-up", "stop"]


def test_a_day_takes_its_steps_in_order_and_a_half_day_ends_early(play: Callable[..., Recorded]) -> None:
    began = time.monotonic()
    assert play(settings=at("2026-11-27T14:10:00Z")).did == DONE
    assert time.monotonic() - began > 1.0, "20 minutes until the opening, at 1000 times its speed"


@pytest.mark.parametrize(
    ("moment", "until"),
    [
        ("2026-03-06T20:00:00Z", "21:00"),
        ("2026-03-09T19:00:00Z", "20:00"),  # summer time has begun
        ("2026-11-02T15:00:00Z", "21:00"),  # and ended
    ],
)
def test_it_ends_when_the_exchange_closes_summer_and_winter(
    play: Callable[..., Recorded], moment: str, until: str
) -> None:
    assert f"live until {until}" in play(settings=at(moment)).did


@pytest.mark.parametrize(
    ("moment", "opens"),
    [
        ("2026-11-26T14:00:00Z", "2026-11-27 14:30 UTC"),  # Thanksgiving
        ("2026-12-25T14:00:00Z", "2026-12-28 14:30 UTC"),
        ("2026-11-28T14:00:00Z", "2026-11-30 14:30 UTC"),
    ],
)
def test_a_day_without_a_session_starts_nothing_and_says_when_the_next_one_is(
    play: Callable[..., Recorded], moment: str, opens: str
) -> None:
    with structlog.testing.capture_logs() as said:
        assert play(settings=at(moment)).did == []
    assert [line["opens"] for line in said if line["event"] == "closed"] == [opens]


def test_a_day_that_is_over_is_made_whole(play: Callable[..., Recorded]) -> None:
    """Killed before the close, and run again after it."""
    assert play(settings=at("2026-11-27T18:00:30Z")).did == DONE


@pytest.mark.parametrize("step", ["topics", "stream", "ready", "warm-start", "opening", "caught-up", "stop"])
def test_a_step_that_fails_leaves_no_stream_and_says_how_to_go_on(play: Callable[..., Recorded], step: str) -> None:
    with pytest.raises(Fatal) as failed:
        play(step)
    assert str(failed.value).startswith(f"step {step}: away; ")
    assert "run `python -m market.day` again" in str(failed.value)


def test_a_day_whose_feed_fails_leaves_no_stream_either(play: Callable[..., Recorded]) -> None:
    with pytest.raises(Fatal, match="step live: the provider is away"):
        play("live until 18:00", error=Transient("the provider is away"))


def test_a_stream_that_ends_badly_fails_the_last_step(play: Callable[..., Recorded]) -> None:
    with pytest.raises(Fatal, match="step stop: the stream has ended with 1"):
        play(code=1)


def test_a_stop_is_no_failure(play: Callable[..., Recorded]) -> None:
    assert play("warm-start", error=Stopped("stopped")).did[-1] == "warm-start"


def test_an_exchange_that_nobody_knows_is_a_failure_of_the_first_step(play: Callable[..., Recorded]) -> None:
    settings = DaySettings.read({**GOOD, "MARKET_CALENDAR": "NOWHERE"})
    with pytest.raises(Fatal, match="step session: MARKET_CALENDAR NOWHERE"):
        play(settings=settings)


def test_every_step_has_a_name_of_its_own() -> None:
    assert len(set(STEPS)) == len(STEPS) == 9


def test_a_session_that_goes_on_is_today_s_also_where_the_date_has_changed_meanwhile() -> None:
    settings = DaySettings.read({**GOOD, "MARKET_CALENDAR": "24/7", "MARKET_ZONE": "UTC"})
    assert todays(settings) is not None


class Process(Stream):
    """A stream that is `tests.market.fake_stream`, and what it noted."""

    def __init__(self, folder: Path, how: str = "") -> None:
        self.notes = folder / "notes"
        command = (sys.executable, "-m", "tests.market.fake_stream", str(self.notes), how)
        super().__init__({**os.environ, "PYTHONPATH": str(ROOT)}, 0, StopSignal(), command)

    def noted(self) -> list[str]:
        lines = self.notes.read_text().splitlines() if self.notes.exists() else []
        return [line.partition(" ")[0] for line in lines]

    def none_is_left(self) -> bool:
        pids = [int(line.partition(" ")[2]) for line in self.notes.read_text().splitlines()]
        return not any(Path(f"/proc/{pid}").exists() for pid in pids)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "LAG_IS_OLD", 0.0)
    monkeypatch.setattr(stream, "LOOK", 0.02)


def test_a_stream_is_started_asked_and_ended(tmp_path: Path) -> None:
    with Process(tmp_path) as process:
        process.start()
        process.wait_until_ready()
        process.watch()
        process.wait_until_caught_up()
        assert process.end() == 0
        assert process.end() is None
    assert process.noted() == ["began", "asked"]


def test_none_is_left_whatever_happens(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), Process(tmp_path) as process:
        process.start()
        process.wait_until_ready()
        raise ZeroDivisionError
    assert process.noted() == ["began", "asked"]
    assert process.none_is_left()


def test_one_that_does_not_end_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "DRAINED_WITHIN", 0.2)
    with Process(tmp_path, "hangs") as process:
        process.start()
        process.wait_until_ready()
        assert process.end() == -9
    assert process.none_is_left()


def test_one_that_is_not_ready_in_time_says_what_it_waits_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Process(tmp_path, "never-ready") as process:
        process.start()
        while process.asked("status") is None:
            time.sleep(0.02)
        monkeypatch.setattr(stream, "READY_WITHIN", 0.1)
        with pytest.raises(Transient, match="waiting for MongoDB: away"):
            process.wait_until_ready()
    assert process.none_is_left()


def test_one_that_stays_behind_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "CAUGHT_UP_WITHIN", 0.2)
    with Process(tmp_path, "behind") as process, pytest.raises(Transient, match="has not caught up within"):
        process.start()
        process.wait_until_ready()
        process.wait_until_caught_up()


def test_one_that_dies_before_it_is_ready_is_a_failure(tmp_path: Path) -> None:
    with Process(tmp_path, "always-dies") as process, pytest.raises(Fatal, match="ended with 7: its own log"):
        process.start()
        process.wait_until_ready()


def test_one_that_dies_at_noon_is_started_again_and_not_for_ever(tmp_path: Path) -> None:
    with Process(tmp_path, "always-dies") as process:
        process.start()
        raised: list[PipelineError] = []
        deadline = time.monotonic() + 30
        while not raised and time.monotonic() < deadline:
            try:
                process.watch()
            except Fatal as error:
                raised.append(error)
            time.sleep(0.02)
    assert "4 times today" in str(raised[0])
    assert process.noted() == ["began"] * 4
