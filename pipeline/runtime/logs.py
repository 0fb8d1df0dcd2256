"""Logging: one JSON object per line on stderr (readable lines where that is a terminal), never a payload.

Every line has `ts` (ISO 8601, UTC), `level` and `event`; the rest are names, codes and counts. Of an exception, class
and places are logged, and its text only where it is an error of ours, whose texts hold no values.
"""

from __future__ import annotations

import logging
import sys
import traceback
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor

from pipeline.runtime.errors import PipelineError

WITHHELD = frozenset(
    {"payload", "data", "fields", "message", "pin", "cvc1", "cvc2", "card_num", "password", "mysql_pass", "secret_key"}
)
"""Keys whose values never reach a line, whoever logs them."""


def configure(stream: TextIO | None = None) -> None:
    """Send our lines from INFO, other libraries' from WARNING, to `stream` (else stderr). May be repeated."""
    target = stream if stream is not None else sys.stderr
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
        _withhold,
        _tell_exception,
    ]
    render: Processor = (
        structlog.dev.ConsoleRenderer(timestamp_key="ts")
        if target.isatty()
        else structlog.processors.JSONRenderer(default=_plain)
    )
    structlog.configure(
        processors=[*shared, render],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=target),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(target)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)


def _plain(value: object) -> str:
    """Values of our own records have reprs with everything in them: their class is enough."""
    return str(value) if isinstance(value, date | Decimal | Path) else type(value).__name__


def _withhold(logger: Any, method: str, event: EventDict) -> EventDict:
    return {key: "(withheld)" if key in WITHHELD else value for key, value in event.items()}


def _tell_exception(logger: Any, method: str, event: EventDict) -> EventDict:
    """Instead of a traceback, whose last line may hold a value of a message: class and places."""
    given = event.pop("exc_info", None)
    if given is True:
        given = sys.exc_info()[1]
    error = given[1] if isinstance(given, tuple) else given
    if isinstance(error, BaseException):
        event["error"] = (
            f"{type(error).__name__}: {error}" if isinstance(error, PipelineError) else type(error).__name__
        )
        frames = traceback.extract_tb(error.__traceback__)
        event["trace"] = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
    return event
