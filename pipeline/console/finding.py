"""One line of `check`: what was looked at, how it is, and what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from rich.text import Text

from pipeline.console.output import answer, progress, table
from pipeline.runtime.errors import PipelineError

_COLOURS: Final = {"ok": "green", "warn": "yellow", "FAIL": "bold red"}


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


def tell(looks: Sequence[tuple[str, Callable[[], Iterable[Finding]]]], remedy: str, as_json: bool) -> int:
    """Look, and answer with each finding once; the exit code of the command. `remedy`: for a look that fails."""
    findings: list[Finding] = []
    with progress("looking", len(looks)) as advance:
        for what, look in looks:
            findings += [one for one in looked(what, look, remedy) if one not in findings]
            advance(1)
    shown = table("", "what", "how it is", "what to do", whole=1)
    for one in findings:
        shown.add_row(Text(one.state, style=_COLOURS[one.state]), one.what, one.text, one.remedy)
    answer(as_json, [{**one._asdict(), "state": str(one.state)} for one in findings], shown)
    return int(any(one.state == State.fail for one in findings))
