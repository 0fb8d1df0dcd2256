"""What the steps of the trading day do that are no commands of the feed; each is a function, run by a task."""

from __future__ import annotations

import os
from typing import Final

import structlog

from orchestration.deployments import Deployments
from orchestration.fates import fates
from orchestration.session import end_of_day
from orchestration.settings import DagSettings
from pipeline.runtime.errors import Halted, Transient

STREAM: Final = ("candles", "dashboard")
FEED: Final = ("feed",)

log = structlog.get_logger()


def session() -> str:
    """Whether there is a session, and until when it is streamed."""
    with fates():
        settings = DagSettings.read(os.environ)
        samples = _samples(Deployments(settings.market_namespace).settings().get("N_SAMPLES", ""))
        ends = end_of_day(settings.market_calendar, settings.market_clock, settings.tail, samples)
        log.info("session", streamed_until=ends.isoformat(timespec="seconds"))
        return ends.isoformat()


def stream() -> None:
    """Start candles and dashboard."""
    _start(STREAM)


def ready() -> None:
    """Wait until both are ready."""
    _wait(STREAM)


def live() -> None:
    """Start the feed, and wait until it is ready."""
    _start(FEED)
    _wait(FEED)


def stop() -> None:
    """Stop all, the feed first. They drain: what is in flight is finished.

    Raises `Transient` also where only people can mend it: they may do so while a stream still runs.
    """
    settings = DagSettings.read(os.environ)
    try:
        Deployments(settings.market_namespace).stop([*FEED, *STREAM], settings.ready_within)
    except Halted as error:
        raise Transient(str(error)) from None


def _start(names: tuple[str, ...]) -> None:
    with fates():
        settings = DagSettings.read(os.environ)
        deployments = Deployments(settings.market_namespace)
        for name in names:
            deployments.scale(name, 1)


def _wait(names: tuple[str, ...]) -> None:
    with fates():
        settings = DagSettings.read(os.environ)
        Deployments(settings.market_namespace).wait_until_ready(names, settings.ready_within)


def _samples(given: str) -> int | None:
    if not given.strip():
        return None
    if not given.strip().isdigit():
        raise Halted("N_SAMPLES of the settings is no number of minutes")
    return int(given)
