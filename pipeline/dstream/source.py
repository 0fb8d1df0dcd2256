"""What the engine asks of a stream: plan ranges, read a range, commit positions. Kinesis is one (kinesis/source.py)."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Protocol

from pipeline.messages.records import Extent, Range, Reached


class Reader(Protocol):
    """The part of a source that runs in tasks: small, picklable, clients made lazily once per process."""

    def read(self, wanted: Range) -> Extent:
        """Read until the tip or a cap. Raises `Transient` when the stream is away for longer than the retries."""


class Source(Protocol):
    """The part of a source that runs in the driver. Its methods are called by one thread at a time."""

    @property
    def reader(self) -> Reader: ...

    def acquire(self, stop: threading.Event) -> bool:
        """Become the one driver of this stream; stand by while another is alive. False if stopped meanwhile."""

    def plan(self) -> list[Range]:
        """The next ranges, after what was last committed here. Raises `LeaseLost`, `Transient`."""

    def commit(self, progress: Mapping[str, Reached]) -> None:
        """Everything up to there is durable: move forward (never back). Durable itself a little later.

        Raises `LeaseLost`.
        """

    def stop_shard(self, shard: str, why: str) -> None:
        """Read this shard no more, and say so loudly, until an operator accepts the loss; the others go on."""

    def caught_up_since_start(self) -> bool:
        """Whether everything that the stream held was read to its tip, and committed, since `acquire`."""

    def release(self) -> None:
        """Write the last positions, give the leases back, stop the background work. Idempotent."""
