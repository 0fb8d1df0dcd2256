"""One line of `check`: what was looked at, how it is, and what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from typing import NamedTuple

from pipeline.runtime.errors import PipelineError


class State(StrEnum):
    """`warn` works today; with `FAIL` the service cannot do its work."""

    ok = "ok"
    warn = "warn"
    fail = "FAIL"


class Finding(NamedTuple):
    """`remedy`: what to do; empty where all is well."""

    what: str
    state: State
    text: str
    remedy: str = ""


def ok(what: str, text: str) -> Finding:
    return Finding(what, State.ok, text)


def warn(what: str, text: str, remedy: str) -> Finding:
    return Finding(what, State.warn, text, remedy)


def fail(what: str, text: str, remedy: str) -> Finding:
    return Finding(what, State.fail, text, remedy)


def looked(what: str, look: Callable[[], Iterable[Finding]], remedy: str) -> Iterator[Finding]:
    """What `look` finds, and a failure with what to do where it cannot look on."""
    try:
        yield from look()
    except PipelineError as error:
        yield fail(what, str(error), remedy)
