"""A process in the place of the stream of candles: it answers /readyz and /status, and ends when it is asked to.

    python -m tests.market.fake_stream NOTES [always-dies|never-ready|hangs|behind]

Every start, and every time that it is asked to end, is a line in the file NOTES.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import FrameType

NOTES, HOW = Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else ""


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        behind = 7 if HOW == "behind" else 0
        status = {"lag": [{"topic": "aapl", "partition": 0, "records": behind, "seconds": 0}]}
        waiting = [{"for": "MongoDB", "since": "", "reason": "away"}]
        body = json.dumps({**status, "waiting": waiting}).encode()
        self.send_response(503 if self.path == "/readyz" and HOW == "never-ready" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is told."""


def note(what: str) -> None:
    with NOTES.open("a") as notes:
        notes.write(f"{what} {os.getpid()}\n")


def end(number: int, frame: FrameType | None) -> None:
    note("asked")
    if HOW != "hangs":
        os._exit(0)


signal.signal(signal.SIGTERM, end)
note("began")
if HOW == "always-dies":
    sys.exit(7)
server = HTTPServer(("127.0.0.1", int(os.environ["METRICS_PORT"])), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
threading.Event().wait()
