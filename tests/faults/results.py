"""What rounds have shown, fault by fault: kept in docs/reliability.json, shown as the table of docs/reliability.md."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from tests import servers
from tests.faults.catalogue import FAULTS
from tests.faults.round import Round
from tests.servers import ROOT

KEPT = ROOT / "docs" / "reliability.json"
PAGE = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- written by `python -m tests.faults table`: begin -->", "<!-- end -->"
CHAOS = "chaos"
IN_FRONT = {"mariadb": "", "mysql": "TEST_DATABASE=mysql "}
"""Of a command, for it to run on that database."""
HEAD = (
    "| fault | what happens | rounds | fired | messages | violations | back to zero | again |\n"
    "|---|---|--:|--:|--:|--:|--:|---|\n"
)


class Result(msgspec.Struct, frozen=True):
    """Of all rounds of one fault. `back`: the longest time until the lag was zero again, in seconds.

    `mysql`: the database was a MySQL; else a MariaDB.
    """

    fault: str
    spark: bool
    rounds: int
    fired: int
    messages: int
    violations: int
    back: float
    again: str
    mysql: bool = False


def summed(fault: str, rounds: Sequence[Round]) -> Result:
    """One result of the rounds of one fault, or of chaos."""
    first = rounds[0]
    which = [] if fault == CHAOS else ["each", fault]
    how = [
        "--rounds",
        str(len(rounds)),
        "--seed",
        str(first.seed),
        *["--long"] * first.long,
        *["--spark"] * first.spark,
    ]
    return Result(
        fault,
        first.spark,
        len(rounds),
        sum(sum(one.hits.values()) for one in rounds),
        sum(one.messages for one in rounds),
        sum(len(one.violations) for one in rounds),
        max(one.back for one in rounds),
        IN_FRONT[servers.kind()] + shlex.join(["python", "-m", "tests.faults", *which, *how]),
        servers.kind() == "mysql",
    )


def kept(path: Path = KEPT) -> list[Result]:
    """What was kept so far."""
    return msgspec.json.decode(path.read_bytes(), type=list[Result]) if path.exists() else []


def keep(result: Result, path: Path = KEPT) -> None:
    """Keep this one in place of an older one of the same fault."""
    others = [one for one in kept(path) if _place(one) != _place(result)]
    path.write_bytes(msgspec.json.format(msgspec.json.encode(sorted([*others, result], key=_place)), indent=1) + b"\n")


def table(results: Iterable[Result]) -> str:
    """The table in Markdown."""
    return HEAD + "".join(map(_line, results))


def written(page: str, results: Iterable[Result]) -> str:
    """The page with the table of these results between its two marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{table(results)}\n{END}{after}"


def _place(result: Result) -> tuple[int, str, bool, bool]:
    names = [*FAULTS, CHAOS]
    place = names.index(result.fault) if result.fault in names else len(names)
    return place, result.fault, result.mysql, result.spark


def _line(result: Result) -> str:
    what = "one to three of all these, one after the other" if result.fault == CHAOS else FAULTS[result.fault].what
    name = f"{result.fault}{' (MySQL)' * result.mysql}{' (Spark)' * result.spark}"
    cells = (
        name,
        what,
        *(f"{number:,}" for number in (result.rounds, result.fired, result.messages, result.violations)),
        f"{result.back:.0f} s",
        f"`{result.again}`",
    )
    return f"| {' | '.join(cells)} |\n"
