"""HTTP on the driver's port: / for people, /status for scripts, /metrics for Prometheus, /healthz and /readyz for the
orchestrator."""

from __future__ import annotations

import socket
import socketserver
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec
import structlog
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from pipeline.observability.observed import Observed
from pipeline.observability.status import Probe
from pipeline.runtime.background import expect, note_unforeseen

PATIENCE = 10.0
"""Seconds that a client may take to ask."""
ANSWERING = "answering on METRICS_PORT"
TEXT = "text/plain; charset=utf-8"
HTML = "text/html; charset=utf-8"
SAFE = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
"""The page loads and runs nothing, whatever may be in it."""

log = structlog.get_logger()


@contextmanager
def served(service: Observed, address: str, port: int) -> Iterator[int]:
    """Serve while the context lasts; gives the port, 0 if none is served. `port` 0: do not serve.

    A port that cannot be had is said and done without: nobody's money waits for a metric, and probes will notice.
    """
    expect(ANSWERING)
    server = _made(service, address, port) if port else None
    if server is None:
        yield 0
        return
    thread = threading.Thread(target=server.serve_forever, name="status-server", daemon=True)
    thread.start()
    try:
        yield port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _made(service: Observed, address: str, port: int) -> _Server | None:
    try:
        return _Server(service, address, port)
    except OSError as error:
        log.error("metrics not served", reason=str(error), remedy="METRICS_PORT, METRICS_ADDRESS", port=port)
        return None


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, service: Observed, address: str, port: int) -> None:
        self.service = service
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        super().__init__((address, port), _Handler)

    def server_bind(self) -> None:
        """Without HTTPServer's look at what the address is called, which waits for a name server that is away."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def handle_error(self, request: object, client_address: object) -> None:
        """Where whoever asked has gone, nothing is wrong."""
        error = sys.exception()
        if error is not None and not isinstance(error, OSError):
            note_unforeseen(ANSWERING, error)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = PATIENCE

    def do_GET(self) -> None:
        service = self.server.service
        match self.path.partition("?")[0]:
            case "/metrics":
                self._answer(200, CONTENT_TYPE_LATEST, generate_latest(service.registry))
            case "/healthz":
                self._tell(service.alive())
            case "/readyz":
                self._tell(service.ready())
            case "/status":
                self._answer(200, "application/json", msgspec.json.encode(service.status()))
            case "/":
                self._answer(200, HTML, service.page())
            case _:
                self._answer(404, TEXT, b"there are /, /metrics, /healthz, /readyz and /status\n")

    def _tell(self, probe: Probe) -> None:
        self._answer(200 if probe.ok else 503, TEXT, f"{probe.why}\n".encode())

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in SAFE.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """A line for every probe would hide the others."""
