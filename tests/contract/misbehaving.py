"""A proxy before an emulator of AWS that throttles, breaks off and changes answers, as the real one may."""

from __future__ import annotations

import http.client
import json
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

Message = dict[str, Any]
Forward = Callable[[Message], Message]


class Misbehaving(ThreadingHTTPServer):
    """Forwards every call to `target`, and records its operation in `calls`.

    `errors`: what to answer instead, in order, one for each call of an operation: AWS' code of an error, an HTTP
    status, "" to break the connection off, None to let the call through. The last one stays where `lasting`.
    `around`: given an operation, its request and a way to the emulator, makes the answer, or raises `RefusedError` or
    `BrokenOffError`.
    """

    daemon_threads = True

    def __init__(self, target: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target = urlsplit(target)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.behave()

    def behave(self) -> None:
        """Do nothing but forward, and forget the calls."""
        self.calls: list[str] = []
        self.errors: dict[str, list[str | int | None]] = {}
        self.lasting = False
        self.around: Callable[[str, Message, Forward], Message] = lambda operation, request, forward: forward(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed has left without its answer."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def next_error(self, operation: str) -> str | int | None:
        self.calls.append(operation)
        errors = self.errors.get(operation, [])
        if not errors:
            return None
        return errors[0] if self.lasting and len(errors) == 1 else errors.pop(0)

    def forward(self, headers: dict[str, str], request: Message) -> Message:
        """What the emulator answers. Raises `RefusedError` with its status and body where that is an error."""
        connection = http.client.HTTPConnection(str(self.target.hostname), self.target.port or 80, timeout=30)
        kept = {name: value for name, value in headers.items() if name.lower() not in ("content-length", "host")}
        try:
            connection.request("POST", "/", json.dumps(request).encode(), kept)
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise RefusedError(answer.status, body)
        message: Message = json.loads(body or b"{}")
        return message


class RefusedError(Exception):
    """An answer that is an error: HTTP status and body."""

    @classmethod
    def named(cls, code: str) -> RefusedError:
        """As AWS refuses with this code."""
        return cls(400, json.dumps({"__type": code, "message": "as told"}).encode())


class BrokenOffError(Exception):
    """No answer: the connection is broken off."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Misbehaving

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        operation = self.headers["X-Amz-Target"].rpartition(".")[2]
        error = self.server.next_error(operation)
        if error == "":
            self.close_connection = True
        elif isinstance(error, str):
            self._answer(*RefusedError.named(error).args)
        elif error is not None:
            self._answer(error, b"<html>no JSON</html>")
        else:
            self._pass(operation, request)

    def _pass(self, operation: str, request: Message) -> None:
        try:
            answer = self.server.around(operation, request, partial(self.server.forward, dict(self.headers)))
        except RefusedError as refused:
            self._answer(*refused.args)
        except BrokenOffError:
            self.close_connection = True
        else:
            self._answer(200, json.dumps(answer).encode())

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def misbehaving(target: str) -> Iterator[Misbehaving]:
    """A proxy before `target` while the context lasts."""
    with Misbehaving(target) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
            thread.join()
