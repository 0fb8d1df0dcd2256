"""One line of `check`: what was looked at, how it is, and what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from typing import NamedTuple

from pipeline.errors import PipelineError


class State(StrEnum):
    """`warn` works today; with `FAIL` the service cannot do its work."""

    ok = "ok"
    warn = "warn"
    fail = "FAIL"


class Finding(NamedTuple):
    """`mend`: what to do; empty where all is well."""

    what: str
    state: State
    text: str
    mend: str = ""


def ok(what: str, text: str) -> Finding:
    return Finding(what, State.ok, text)


def warn(what: str, text: str, mend: str) -> Finding:
    return Finding(what, State.warn, text, mend)


def fail(what: str, text: str, mend: str) -> Finding:
    return Finding(what, State.fail, text, mend)


def looked(what: str, look: Callable[[], Iterable[Finding]], mend: str) -> Iterator[Finding]:
    """What `look` finds, and a failure with what to do where it cannot look on."""
    try:
        yield from look()
    except PipelineError as error:
        yield fail(what, str(error), mend)
