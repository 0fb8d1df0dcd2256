"""Errors by fate: what happens to the message, the batch or the process when one is raised.

| error            | fate                                                                           |
|------------------|--------------------------------------------------------------------------------|
| `Rejected`       | this message can never be a row: it becomes a dead letter                      |
| `Transient`      | roll back, back off with jitter, try again until the deadline of the batch     |
| `Halted`         | the batch stops, its positions stay; the next tick reads the same range again  |
| `LeaseLost`      | the batch in flight is dropped without a checkpoint; the driver stands by      |
| `Trimmed`        | the shard stops loudly until an operator accepts the loss                      |
| `Fatal`          | the process ends with exit code 1 and one line that says what to do            |

No text of an error may hold a value of a message: field names, codes and counts only.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class PipelineError(Exception):
    """The root of every error that this service raises on purpose. `waits_for`: what is away, where that is known."""

    waits_for = ""


class Rejected(PipelineError):
    """A message that can never be a row. `reason` is a stable code, `detail` names the field, never its value."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}" if self.detail else self.reason


class Transient(PipelineError):
    """Something that heals by itself: a deadlock, a fail-over, a throttled call."""

    cause = "other"
    """Of a retry, as it is counted: deadlock, lock_wait or other."""


class TaskDied(Transient):
    """Spark gave a batch up: a worker was killed, an executor lost, a shuffle file gone."""

    waits_for = "Spark"


class Halted(PipelineError):
    """Something that nobody foresaw, or that only people can mend: the batch stops and loses nothing."""


class Unforeseen(Halted):
    """An exception of the program's own. One message may be the reason, if its neighbours go through without it."""

    waits_for = "a correction of the program"


class LeaseLost(PipelineError):
    """Another driver holds a lease that this one thought its own."""


class Trimmed(PipelineError):
    """The stream has dropped records at this position before they were read."""


class Fatal(PipelineError):
    """The process cannot go on: it ends with exit code 1 and this one line."""


@contextmanager
def waiting_for(what: str) -> Iterator[None]:
    """Let the errors raised within say that this is away, unless they know better."""
    try:
        yield
    except PipelineError as error:
        error.waits_for = error.waits_for or what
        raise
