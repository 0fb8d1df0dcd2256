"""Errors of tasks that give nothing away."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Literal

from pipeline.runtime.errors import Halted, PipelineError, Unforeseen


class RedactedErrors:
    """Turns an error that nobody foresaw into `Unforeseen`, which names its class and place but not its text.

    Spark logs the text of whatever a task raises, and it may hold values of a message. Where memory is short that is no
    message's fault: `Halted`.
    """

    def __enter__(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Literal[False]:
        if kind is None or issubclass(kind, PipelineError) or not issubclass(kind, Exception):
            return False
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        place = f" at {Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else ""
        fate = Halted if issubclass(kind, MemoryError) else Unforeseen
        raise fate(f"{kind.__name__}{place}") from None
