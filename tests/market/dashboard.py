"""A dashboard of a test's own: `python -m market.dashboard` on 127.0.0.1 and a free port."""

from __future__ import annotations

import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.processes import Process, free_port
from tests.servers import HERE, ROOT


class Dashboard:
    """`url`: of its page."""

    def __init__(self, environment: Mapping[str, str], folder: Path) -> None:
        port = free_port()
        self.url = f"http://{HERE}:{port}/"
        given = {"DASHBOARD_PORT": str(port), "DASHBOARD_ADDRESS": HERE, **environment}
        command = [sys.executable, "-m", "market.dashboard"]
        self.process = Process("dashboard", command, folder / "dashboard.log", self._alive, given, ROOT)

    def status(self, path: str) -> int:
        """Of an answer; 0 where there is none."""
        try:
            with urllib.request.urlopen(f"{self.url}{path}", timeout=10) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    def _alive(self) -> bool:
        return self.status("healthz") == 200


@contextmanager
def dashboard(environment: Mapping[str, str], folder: Path) -> Iterator[Dashboard]:
    """Ended with the context. `environment`: settings, beside the address and the port."""
    folder.mkdir(parents=True, exist_ok=True)
    started = Dashboard(environment, folder)
    started.process.start()
    try:
        yield started
    finally:
        started.process.kill9()
