"""A TCP proxy before the database that cuts connections, above all around a COMMIT, and slows or stops what passes.

It reads along, so it takes out of the server's greeting that TLS is offered: what it is before is a server without TLS.
"""

from __future__ import annotations

import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import Enum

from tests.processes import free_port
from tests.servers import HERE

COMMITS = (b"\x07\x00\x00\x00\x03commit", b"\x09\x00\x00\x00\x03\x00\x01commit")
"""The packet of a COMMIT: length, number, COM_QUERY, to MySQL that there are no attributes, the statement; in any case.
"""

ERROR = re.compile(rb"\xff(..)#[0-9A-Z]{5}", re.DOTALL)
"""What the server says of an error, which may come amid an answer: its number, and the state of SQL."""


GREETING = 0x0A
"""What the first packet of a server begins with, after its length and number; then comes the server's version."""
CAPABLE = 15
"""Where the second byte of what the server is capable of lies, from the zero at the end of its version."""
TLS = 0x08
"""CLIENT_SSL, in that byte."""


class Cut(Enum):
    """What becomes of a packet from the client, and of its connection.

    `BEFORE`: it does not arrive. `HALF_OPEN`: the same, but the server hears nothing of the end, and keeps its locks.
    `ANSWER`: it arrives and is carried out; the answer is lost.
    """

    NONE = "none"
    BEFORE = "before"
    HALF_OPEN = "half open"
    ANSWER = "answer"


class Proxy:
    """Forwards connections to `target`, a port on 127.0.0.1. `choose` decides about each packet of a client.

    `delay`: seconds that everything takes longer, each way. `rate`: bytes a second of each connection and way; 0: no
    limit. While `open` is not set, nothing passes and nothing ends, as where a network has gone.
    """

    def __init__(self, target: int, choose: Callable[[bytes], Cut], port: int | None = None) -> None:
        self.port = port or free_port()
        self.cuts: Counter[Cut] = Counter()
        """Connections cut around a COMMIT."""
        self.others = 0
        """Connections cut elsewhere."""
        self.commits = 0
        self.held_up = 0
        """Packets that were delayed, slowed or stopped."""
        self.errors: Counter[int] = Counter()
        """Error number → answers of the server that say it."""
        self.delay = self.rate = 0.0
        self.open = threading.Event()
        self.open.set()
        self.choose = choose
        self._target = target
        self._listener = socket.create_server((HERE, self.port))
        self._open: list[socket.socket] = [self._listener]

    def serve(self) -> None:
        """Take connections until `close`."""
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._forward(client)

    def close(self) -> None:
        """Cut everything."""
        for one in self._open:
            _cut(one)

    def _forward(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection((HERE, self._target))
        except OSError:
            client.close()
            return
        self._open += [client, server]
        muted = threading.Event()
        threading.Thread(target=self._requests, args=(client, server, muted), daemon=True).start()
        threading.Thread(target=self._answers, args=(client, server, muted), daemon=True).start()

    def _requests(self, client: socket.socket, server: socket.socket, muted: threading.Event) -> None:
        with suppress(OSError):
            while packet := client.recv(65536):
                cut = self.choose(packet)
                self._count(cut, packet)
                self._hold_up(packet)
                if cut is Cut.HALF_OPEN:
                    muted.set()
                    _cut(client)
                    return
                if cut is Cut.BEFORE:
                    break
                if cut is Cut.ANSWER:
                    muted.set()
                server.sendall(packet)
        if not muted.is_set():
            _cut(server)

    def _answers(self, client: socket.socket, server: socket.socket, muted: threading.Event) -> None:
        with suppress(OSError):
            packet = without_tls(server.recv(65536))
            while packet and not muted.is_set():
                self.errors.update(int.from_bytes(number, "little") for number in ERROR.findall(packet))
                self._hold_up(packet)
                client.sendall(packet)
                packet = server.recv(65536)
        _cut(client)
        _cut(server)

    def _hold_up(self, packet: bytes) -> None:
        if self.delay or self.rate or not self.open.is_set():
            self.held_up += 1
            time.sleep(self.delay + (len(packet) / self.rate if self.rate else 0.0))
            self.open.wait()

    def _count(self, cut: Cut, packet: bytes) -> None:
        self.commits += is_commit(packet)
        if cut is not Cut.NONE and is_commit(packet):
            self.cuts[cut] += 1
        elif cut is not Cut.NONE:
            self.others += 1


def without_tls(greeting: bytes) -> bytes:
    """The server's first packet, as of one that offers no TLS. An error, as of too many connections, stays as it is."""
    told = bytearray(greeting)
    if told and told[4] == GREETING:
        told[told.index(0, 5) + CAPABLE] &= ~TLS
    return bytes(told)


def is_commit(packet: bytes) -> bool:
    """Whether a client's packet is a COMMIT."""
    return packet.lower() in COMMITS


def _cut(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


@contextmanager
def cutting(target: int, choose: Callable[[bytes], Cut], port: int | None = None) -> Iterator[Proxy]:
    """A proxy that serves, on a port that was one before or on any."""
    proxy = Proxy(target, choose, port)
    thread = threading.Thread(target=proxy.serve, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.close()
