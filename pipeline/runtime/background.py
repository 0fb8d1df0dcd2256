"""Work in the background goes on whatever goes wrong: it is said, and counted, and tried again the next time."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Mapping
from types import TracebackType

import structlog

from pipeline.runtime.errors import PipelineError
from pipeline.runtime.pace import OnceAMinute

_lock = threading.Lock()
_unforeseen: Counter[str] = Counter()
_told: defaultdict[str, OnceAMinute] = defaultdict(OnceAMinute)

log = structlog.get_logger()


class GoingOn:
    """Ends what is done within at an error that nobody foresaw, and nothing else. Errors of ours propagate.

    `what`: the work, as the log and the metric name it.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        expect(what)

    def __enter__(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if not isinstance(error, Exception) or isinstance(error, PipelineError):
            return False
        note_unforeseen(self._what, error)
        return True


def expect(what: str) -> None:
    """There is such work: it is counted from 0 on."""
    with _lock:
        _unforeseen[what] += 0


def note_unforeseen(what: str, error: BaseException) -> None:
    """Count an error that nobody foresaw, and log its class and places: at once, and then once a minute."""
    with _lock:
        _unforeseen[what] += 1
        due = _told[what].due()
    if due:
        log.error("background work failed, and goes on", what=what, exc_info=error)


def unforeseen() -> Mapping[str, int]:
    """Work in the background → how often an error that nobody foresaw has interrupted it. For any thread."""
    with _lock:
        return dict(_unforeseen)
