"""SES as far as the service uses it: takes mails, keeps what they say, refuses where it is told to."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

_TAKEN = b"""<SendEmailResponse xmlns="http://ses.amazonaws.com/doc/2010-12-01/"><SendEmailResult>
<MessageId>1</MessageId></SendEmailResult></SendEmailResponse>"""
_REFUSED = """<ErrorResponse xmlns="http://ses.amazonaws.com/doc/2010-12-01/"><Error><Type>Sender</Type>
<Code>{}</Code><Message>as told</Message></Error></ErrorResponse>"""


class Mailbox(ThreadingHTTPServer):
    """`mails`: the texts of all that it took. `refuse`: the code with which it refuses the next mail; "" takes it."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.mails: list[str] = []
        self.refused = 0
        self.refuse: Callable[[], str] = str

    def take(self, text: str) -> tuple[int, bytes]:
        """The status and body of the answer."""
        if code := self.refuse():
            self.refused += 1
            return 400, _REFUSED.format(code).encode()
        self.mails.append(text)
        return 200, _TAKEN


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Mailbox

    def do_POST(self) -> None:
        fields = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        status, body = self.server.take(fields["Message.Body.Text.Data"][0])
        self.send_response(status)
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def mailbox() -> Iterator[Mailbox]:
    """A mailbox while the context lasts."""
    with Mailbox() as box:
        thread = threading.Thread(target=box.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield box
        finally:
            box.shutdown()
            thread.join()
