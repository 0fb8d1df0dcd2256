"""Starting: everything that the service needs is asked for until it answers, for a while."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog

from pipeline.runtime.errors import Fatal, Transient
from pipeline.runtime.stopping import StopSignal

PATIENCE = 30.0
"""Seconds that a database, a stream or a table may stay away before the process ends; its scheduler restarts it."""
PAUSE = 1.0

log = structlog.get_logger()


def wait_for(name: str, probe: Callable[[], object], stop: StopSignal, seconds: float = PATIENCE) -> bool:
    """Call `probe` until it raises no `Transient`. False where a stop was asked for meanwhile.

    Raises `Fatal`, naming what is away, after `seconds`; and what `probe` raises otherwise, at once.
    """
    deadline = time.monotonic() + seconds
    told = False
    while not stop.wait(0):
        try:
            probe()
            return True
        except Transient as error:
            if time.monotonic() + PAUSE > deadline:
                raise Fatal(f"{name} is not reachable, tried for {seconds:g} s: {error}") from error
            if not told:
                log.warning("waiting", reason=str(error), waits_for=name)
            told = True
        stop.wait(PAUSE)
    return False
