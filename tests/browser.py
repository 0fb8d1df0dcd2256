"""A real headless Chromium, asked over its debugging pipe: what a page looks like, and what a script in it finds.

with chromium() as browser:
    browser.open(url, width=360, height=640, dark=True)
    assert browser.ask("document.title") == "…"
"""

from __future__ import annotations

import base64
import itertools
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.processes import program

PACKAGE = "chromium-headless-shell"
PATIENCE = 60
"""Seconds for one answer: then the browser is ended, and its pipe with it."""


class Browser:
    """One page of it. `reads`, `writes`: the pipe, JSON documents that end with a zero byte."""

    def __init__(self, reads: int, writes: int) -> None:
        self._answers, self._writes = os.fdopen(reads, "rb"), writes
        self._numbers = itertools.count(1)
        self._waiting = b""
        self._session: str | None = None
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._call("Page.enable")

    def open(self, url: str, width: int, height: int, *, dark: bool = False) -> None:
        """Load a page in a window of so many CSS pixels. Widths below 500 are a phone's."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self._call("Emulation.setDeviceMetricsOverride", **metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._call("Emulation.setEmulatedMedia", features=[scheme])
        failed = self._call("Page.navigate", url=url).get("errorText")
        assert failed is None, f"{url}: {failed}"
        self._until("Page.loadEventFired")

    def ask(self, script: str) -> Any:
        """What an expression is, as JSON carries it."""
        found = self._call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def accessible(self) -> list[tuple[str, str]]:
        """(role, name) of everything that a screen reader finds."""
        nodes = self._call("Accessibility.getFullAXTree")["nodes"]
        return [(n["role"]["value"], n.get("name", {}).get("value", "")) for n in nodes if not n["ignored"]]

    def picture(self) -> bytes:
        """The window, as a PNG."""
        return base64.b64decode(self._call("Page.captureScreenshot", format="png")["data"])

    def _call(self, method: str, **parameters: Any) -> Any:
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._writes, json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != number:
            pass
        assert "error" not in answer, f"{method}: {answer['error']}"
        return answer["result"]

    def _until(self, event: str) -> None:
        while self._next().get("method") != event:
            pass

    def _next(self) -> Any:
        while b"\0" not in self._waiting:
            read = self._answers.read1(65536)
            assert read, "chromium has ended"
            self._waiting += read
        document, _, self._waiting = self._waiting.partition(b"\0")
        return json.loads(document)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Ended with the context, and after a minute at the latest."""
    requests, writes = os.pipe()
    reads, answers = os.pipe()
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as folder:
        command = [program(PACKAGE, PACKAGE), "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe"]
        redirected = ["bash", "-c", f'exec 3<&{requests} 4>&{answers}; exec timeout {PATIENCE} "$@"', "bash", *command]
        process = subprocess.Popen(
            [*redirected, f"--user-data-dir={folder}", "--hide-scrollbars"],
            pass_fds=(requests, answers),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(requests)
        os.close(answers)
        try:
            yield Browser(reads, writes)
        finally:
            os.close(writes)
            process.terminate()
            process.wait()
