"""Server processes of the tests, the demo and the benchmarks: none outlives the process that started it."""

from __future__ import annotations

import atexit
import os
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

STARTED_WITHIN = 120.0
"""Seconds until a server has to answer: Spark takes 4 on an idle machine, and 40 on a busy one."""

_running: set[Process] = set()
# The kernel ties a child's death signal to the thread that forked it, so one thread that lives long starts them all.
_starter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="servers")


class Missing(RuntimeError):
    """A program that a server needs is not installed; the text says what to install."""


def program(name: str, package: str) -> str:
    """The path of a program. Raises `Missing`, naming the Debian package that has it."""
    path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if path is None:
        raise Missing(f"{name} is missing: run `make setup`, or install the Debian package {package}")
    return path


def free_port() -> int:
    """A port on 127.0.0.1 that nobody listens on.

    Below the range from which outgoing connections get theirs, so that a server that was killed can have it again.
    """
    for port in random.sample(range(10_000, 32_000), 200):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise Missing("no free port between 10000 and 32000")


def in_session(session: int, named: bytes) -> list[int]:
    """The processes of a session whose command line has this in it."""
    found = [path for path in Path("/proc").iterdir() if path.name.isdigit()]
    return [int(path.name) for path in found if _is_of(path, session, named)]


def _is_of(process: Path, session: int, named: bytes) -> bool:
    try:
        found = int((process / "stat").read_text().rpartition(")")[2].split()[3])
        return found == session and named in (process / "cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False


def kill_all(processes: Iterable[int]) -> int:
    """SIGKILL; how many of them there still were."""
    killed = 0
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
            killed += 1
    return killed


class Process:
    """One server in a session (and process group) of its own; `log` gets what it prints.

    It ends with `stop`, `kill9`, at the exit of this interpreter, and by the kernel when this process is killed.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log: Path,
        ready: Callable[[], bool],
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> None:
        self.name = name
        self.log = log
        self._command = [program("setpriv", "util-linux"), "--pdeathsig", "KILL", "--", *command]
        self._ready = ready
        self._environment = {**os.environ, **(environment or {})}
        self._folder = folder
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id; RuntimeError where it does not run."""
        if self._child is None:
            raise RuntimeError(f"{self.name} is not running")
        return self._child.pid

    def start(self) -> None:
        """Start, and wait until it answers. RuntimeError with the end of its log where it does not."""
        if self._child is not None:
            raise RuntimeError(f"{self.name} is running already")
        self._child = _starter.submit(self._spawn).result()
        _running.add(self)
        deadline = time.monotonic() + STARTED_WITHIN
        while not self._ready():
            if self._child.poll() is not None or time.monotonic() > deadline:
                self.kill9()
                tail = self.log.read_text(errors="replace")[-2000:]
                raise RuntimeError(f"{self.name} did not start; the end of {self.log}:\n{tail}")
            time.sleep(0.02)

    def stop(self, patience: float = 30.0) -> None:
        """SIGTERM to the group, SIGKILL after `patience` seconds. Idempotent."""
        if self._child is not None:
            self.signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self._child.wait(patience)
        self.kill9()

    def kill9(self) -> None:
        """SIGKILL to the whole group, as when a machine goes away. Idempotent."""
        if self._child is not None:
            self.signal(signal.SIGKILL)
            self._child.wait()
            self._child = None
            _running.discard(self)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the whole group: SIGSTOP makes a server that hangs, SIGCONT lets it go on."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def _spawn(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
                cwd=self._folder,
                start_new_session=True,
            )


@atexit.register
def _end_all() -> None:
    for process in list(_running):
        process.kill9()
