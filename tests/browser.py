"""A real headless Chromium, over its debugging pipe: looks at pages, asks scripts, presses keys and clicks.

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
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from tests.processes import program

PACKAGE = "chromium-headless-shell"
PATIENCE = 60
"""Seconds that a browser lives, unless it is told otherwise: then it is ended, and its pipe with it."""
KEYS: Final = {"Tab": 9, "Enter": 13, "Escape": 27, " ": 32, "End": 35, "Home": 36, "ArrowLeft": 37, "ArrowUp": 38} | {
    "ArrowRight": 39,
    "ArrowDown": 40,
    "+": 187,
    "-": 189,
}
"""Keys that can be pressed → their numbers in Windows, which Chromium goes by."""
SHIFT: Final = 8
LOOK: Final = 0.05
"""Seconds between two looks at what is waited for."""


class Browser:
    """One page of it. `reads`, `writes`: the pipe, JSON documents that end with a zero byte.

    `requests`: every address that was asked for. `complaints`: errors of scripts, and what the browser says of a page.
    """

    def __init__(self, reads: int, writes: int) -> None:
        self.requests, self.complaints = list[str](), list[str]()
        self._answers, self._writes = os.fdopen(reads, "rb"), writes
        self._numbers = itertools.count(1)
        self._waiting = b""
        self._session: str | None = None
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self._call(f"{domain}.enable")

    def open(self, url: str, width: int, height: int, *, dark: bool = False, calm: bool = False) -> None:
        """Load a page in a window of so many CSS pixels. Widths below 500 are a phone's. `calm`: without motion."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self._call("Emulation.setDeviceMetricsOverride", **metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        motion = {"name": "prefers-reduced-motion", "value": "reduce" if calm else "no-preference"}
        self._call("Emulation.setEmulatedMedia", features=[scheme, motion])
        failed = self._call("Page.navigate", url=url).get("errorText")
        assert failed is None, f"{url}: {failed}"
        self._until("Page.loadEventFired")

    def forget(self) -> None:
        """Whatever it has kept of scripts and pages."""
        self._call("Network.clearBrowserCache")

    def ask(self, script: str) -> Any:
        """What an expression is, as JSON carries it; a promise is awaited."""
        found = self._call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def until(self, script: str, seconds: float = 10.0) -> Any:
        """Wait until an expression is something; what it is then. Raises AssertionError."""
        deadline = time.monotonic() + seconds
        while not (found := self.ask(script)):
            assert time.monotonic() < deadline, f"not within {seconds:g} s: {script}; complaints: {self.complaints}"
            time.sleep(LOOK)
        return found

    def press(self, key: str, times: int = 1, *, shift: bool = False) -> None:
        """A key of `KEYS`, wherever the focus is."""
        number = KEYS[key]
        written = {"text": "\r" if key == "Enter" else key} if key in {"Enter", " ", "+", "-"} else {}
        known = {"key": key, "windowsVirtualKeyCode": number, "modifiers": SHIFT if shift else 0}
        for _ in range(times):
            self._call("Input.dispatchKeyEvent", type="keyDown", **known, **written)
            self._call("Input.dispatchKeyEvent", type="keyUp", **known)

    def click(self, selector: str) -> None:
        """With the mouse, in the middle of an element, scrolled to where it is seen. Raises AssertionError."""
        box = f"""(() => {{ const e = document.querySelector({json.dumps(selector)});
            if (!e) return null; e.scrollIntoView({{block: "center"}});
            const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; }})()"""
        middle = self.ask(box)
        assert middle, f"there is no {selector}"
        where = {"x": middle[0], "y": middle[1], "button": "left", "clickCount": 1}
        self._call("Input.dispatchMouseEvent", type="mousePressed", **where)
        self._call("Input.dispatchMouseEvent", type="mouseReleased", **where)

    def processor_seconds(self) -> float:
        """Of the page's main thread, since it was opened."""
        self._call("Performance.enable", timeDomain="threadTicks")
        metrics = {one["name"]: one["value"] for one in self._call("Performance.getMetrics")["metrics"]}
        return float(metrics["TaskDuration"])

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
        message = json.loads(document)
        self._note(message.get("method"), message.get("params"))
        return message

    def _note(self, event: str | None, told: Any) -> None:
        if event == "Network.requestWillBeSent":
            self.requests.append(told["request"]["url"])
        elif event == "Log.entryAdded" and told["entry"]["level"] in ("error", "warning"):
            self.complaints.append(f"{told['entry']['text']} {told['entry'].get('url', '')}")
        elif event == "Runtime.exceptionThrown":
            self.complaints.append(str(told["exceptionDetails"]))
        elif event == "Runtime.consoleAPICalled" and told["type"] in ("error", "warning"):
            self.complaints.append(str([one.get("value", one.get("description")) for one in told["args"]]))


@contextmanager
def chromium(patience: int = PATIENCE) -> Iterator[Browser]:
    """Ended with the context, and after `patience` seconds at the latest."""
    requests, writes = os.pipe()
    reads, answers = os.pipe()
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as folder:
        command = [program(PACKAGE, PACKAGE), "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe"]
        redirected = ["bash", "-c", f'exec 3<&{requests} 4>&{answers}; exec timeout {patience} "$@"', "bash", *command]
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
