"""The wish to stop: SIGTERM and Ctrl-C, however often and from wherever they come."""

from __future__ import annotations

import queue
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class StopSignal:
    """Set by signals, waited for by the main thread.

    A queue, since its `put` may interrupt itself: setting a `threading.Event` from a signal handler deadlocks where the
    signal arrives while the event's own lock is held.
    """

    def __init__(self) -> None:
        self._raised: queue.SimpleQueue[None] = queue.SimpleQueue()

    def listen(self) -> None:
        """Take SIGTERM and SIGINT of this process from now on. Only in the main thread."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.set())

    def set(self) -> None:
        """Ask to stop. May be called from signal handlers and from any thread; a second time changes nothing."""
        self._raised.put(None)

    def wait(self, seconds: float) -> bool:
        """Wait so long at most; whether a stop was asked for. Stays true."""
        try:
            self._raised.get(timeout=seconds)
        except queue.Empty:
            return False
        self._raised.put(None)
        return True


@contextmanager
def held_back() -> Iterator[Callable[[], str]]:
    """Within, a first SIGTERM or Ctrl-C is only noted: gives which one came, "" for none. A second one acts as ever.

    Elsewhere than in the main thread no signal comes.
    """
    came = ""
    before = {number: signal.getsignal(number) or signal.SIG_DFL for number in (signal.SIGTERM, signal.SIGINT)}

    def hold(number: int, frame: object) -> None:
        nonlocal came
        came = signal.Signals(number).name
        restore()

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    if threading.current_thread() is not threading.main_thread():
        yield lambda: ""
        return
    for number in before:
        signal.signal(number, hold)
    try:
        yield lambda: came
    finally:
        restore()
