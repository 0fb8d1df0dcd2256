"""A demo under way, as a process of its own, and whatever it starts."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.processes import Process
from tests.servers import ROOT

WITHIN = 240.0


class Demo:
    """A demo under way; `descendants` are all the processes it has had so far."""

    def __init__(self, process: Process, folder: Path) -> None:
        self.process, self.folder = process, folder
        self.descendants = set[psutil.Process]()

    @property
    def text(self) -> str:
        """What it has printed so far."""
        return self.process.log.read_text(errors="replace")

    def wait_until(self, done: Callable[[], bool], within: float = WITHIN) -> None:
        """Until it is so, for `within` seconds at most."""
        deadline = time.monotonic() + within
        while not done():
            assert time.monotonic() < deadline, self.text
            self._look()
            time.sleep(0.05)

    def wait_for(self, said: str, within: float = WITHIN) -> None:
        """Until it has printed this."""
        self.wait_until(lambda: said in self.text, within)
        self._look()

    def wait(self, within: float = WITHIN) -> int:
        """Until it has ended; the exit code, or the number of the signal."""
        self.wait_until(lambda: self._status() is not None, within)
        return int(self._status() or 0)

    def nothing_is_left(self) -> bool:
        """Whether every process that it had has ended."""
        return len(self.descendants) >= 3 and not any(runs(process) for process in self.descendants)

    def _look(self) -> None:
        try:
            self.descendants.update(psutil.Process(self.process.pid).children(recursive=True))
        except psutil.NoSuchProcess:
            return

    def _status(self) -> int | None:
        ended = os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        return None if ended is None else ended.si_status


def runs(process: psutil.Process) -> bool:
    """Whether it has not ended."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@contextmanager
def demo(folder: Path, *arguments: str, **environment: str) -> Iterator[Demo]:
    """`python -m demo` with these arguments, its log and temporary files in `folder`."""
    temporary, log = folder / "temporary", folder / "log"
    temporary.mkdir()
    command = [sys.executable, "-m", "demo", *arguments]
    process = Process("demo", command, log, log.exists, {"TMPDIR": str(temporary), **environment}, ROOT)
    process.start()
    try:
        yield Demo(process, temporary)
    finally:
        process.kill9()


def differences(running: Demo) -> dict[str, int]:
    """What the demo says of each check, the claim's beginning → how many."""
    return {
        line: int(count) for line, count in re.findall(r"^  (\w.*?)\s+[\d,]+\s+(\d+)\s*$", running.text, re.MULTILINE)
    }
