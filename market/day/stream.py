"""The stream of candles as a process beside the day: started, asked whether it is ready, and ended with it.

It is a process group of its own: Ctrl-C on a terminal reaches the day, which lets the stream finish its batch.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import structlog

from pipeline.runtime.errors import Fatal, Transient
from pipeline.runtime.stopping import StopSignal

COMMAND: Final = (sys.executable, str(Path(__file__).resolve().parents[2] / "stream_analytics.py"), "candles")
READY_WITHIN: Final = 300.0
"""Seconds; Spark takes ten of them where nothing else runs."""
CAUGHT_UP_WITHIN: Final = 300.0
LAG_IS_OLD: Final = 6.0
"""Seconds after which the stream's own look at how far it is behind was made anew."""
DRAINED_WITHIN: Final = 120.0
"""Seconds for the batch in flight; then it is killed, which loses nothing either."""
RESTARTS: Final = 3
"""In a day, of a stream that has died; then something is wrong that a start does not mend."""
LOOK: Final = 0.5

log = structlog.get_logger()


class Stream:
    """Context manager: whatever happens within, no stream runs after it. `environ`: its settings."""

    def __init__(
        self, environ: Mapping[str, str], port: int, stop: StopSignal, command: Sequence[str] = COMMAND
    ) -> None:
        self._port = port or _free_port()
        self._environ = {**environ, "METRICS_PORT": str(self._port)}
        self._stop = stop
        self._command = [*_dying_with_us(), *command]
        self._child: subprocess.Popen[bytes] | None = None
        self._restarts = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def start(self) -> None:
        """Start it."""
        self._child = subprocess.Popen(self._command, env=self._environ, start_new_session=True)
        log.info("stream started", process=self._child.pid, page=f"http://127.0.0.1:{self._port}/")

    def wait_until_ready(self) -> None:
        """Raises `Transient` where it does not get ready in time, `Fatal` where it ends."""
        self._wait(self._ready, READY_WITHIN, "the stream is not ready")

    def wait_until_caught_up(self) -> None:
        """Wait until all that lies in the topics now is in effect. Raises as `wait_until_ready`."""
        if not self._stop.wait(LAG_IS_OLD):
            self._wait(self._caught_up, CAUGHT_UP_WITHIN, "the stream has not caught up")

    def watch(self) -> None:
        """Start it anew where it has died. Raises `Fatal` where it has died too often."""
        code = self._child.poll() if self._child else None
        if code is None:
            return
        self._restarts += 1
        if self._restarts > RESTARTS:
            raise Fatal(f"the stream has ended with {code}, {self._restarts} times today: its own log says why")
        log.error("the stream has died, and is started again", code=code, restarts=self._restarts)
        self.start()

    def end(self) -> int | None:
        """Let it finish its batch and end; its exit code. None where none runs. Idempotent."""
        if self._child is None:
            return None
        child, self._child = self._child, None
        if child.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(child.pid, signal.SIGTERM)
        try:
            code = child.wait(DRAINED_WITHIN)
        except subprocess.TimeoutExpired:
            log.error("the stream does not end, and is killed", after=DRAINED_WITHIN)
            code = None
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)  # also what it may have left behind
        return child.wait() if code is None else code

    def _wait(self, true: Callable[[], bool], seconds: float, otherwise: str) -> None:
        deadline = time.monotonic() + seconds
        while not true():
            code = self._child.poll() if self._child else 0
            if code is not None:
                raise Fatal(f"the stream has ended with {code}: its own log says why")
            if time.monotonic() > deadline:
                raise Transient(f"{otherwise} within {seconds:g} s: {self._why()}")
            if self._stop.wait(LOOK):
                return

    def _ready(self) -> bool:
        return self.asked("readyz") is not None

    def _caught_up(self) -> bool:
        told = self.asked("status")
        lag: list[dict[str, Any]] = json.loads(told)["lag"] if told else []
        return bool(lag) and not any(one["records"] for one in lag)

    def _why(self) -> str:
        """What it waits for, as far as it says."""
        told = json.loads(self.asked("status") or b"{}")
        return "; ".join(f"waiting for {one['for']}: {one['reason']}" for one in told.get("waiting", ())) or "no reason"

    def asked(self, what: str) -> bytes | None:
        """What its page answers to `readyz` or `status`; None where it does not, or not with 200."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/{what}", timeout=5) as answer:
                found: bytes = answer.read()
                return found
        except (urllib.error.URLError, OSError, HTTPException):
            return None


def _dying_with_us() -> tuple[str, ...]:
    """So that no stream is left even where the day is killed."""
    setpriv = shutil.which("setpriv")
    return (setpriv, "--pdeathsig", "TERM", "--") if setpriv else ()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
