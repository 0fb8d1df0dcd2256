"""The commands: what they are asked, and how they answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from rich.table import Table

from pipeline.console.command_line import ServiceCommands, run
from pipeline.console.finding import tell
from pipeline.console.options import Json, Reason, Yes
from pipeline.console.output import answer, ask, progress, table
from pipeline.runtime.durations import span
from pipeline.settings.analytics import AnalyticsSettings

if TYPE_CHECKING:
    from pipeline.structured.operations.workbench import Workbench
    from pipeline.structured.service import Service

MOST_SHOWN = 50


def check(context: typer.Context, as_json: Json = False) -> None:
    """Whether all that the service needs is there and lets it in. Changes nothing. 1: something fails.

    python -m pipeline candles check
    """
    run(context, lambda bench: _check(bench, as_json))


def _check(bench: Workbench, as_json: bool) -> int:
    from pipeline.structured.operations.check import REMEDY, looks

    return tell(looks(bench), REMEDY, as_json)


def status(context: typer.Context, as_json: Json = False) -> None:
    """How the service is doing: batches, lag per partition, letters. 1: somebody has to look.

    python -m pipeline candles status --json
    """
    run(context, lambda bench: _status(bench, as_json))


def _status(bench: Workbench, as_json: bool) -> int:
    from pipeline.structured.operations.status import look

    found = look(bench)
    flows = table("flow", "last batch", whole=1)
    for flow, number in found.batches.items():
        flows.add_row(flow, "none yet" if number is None else f"{number:,}")
    behind = table("topic", "partition", "records behind", "behind", whole=1)
    for lag in found.lag[:MOST_SHOWN]:
        behind.add_row(lag.topic, str(lag.partition), f"{lag.records:,}", _length(lag.seconds))
    data = {
        "batches": found.batches,
        "lag": [
            {"topic": lag.topic, "partition": lag.partition, "records": lag.records, "seconds": lag.seconds}
            for lag in found.lag
        ],
        "letters": found.letters,
        "wrong": found.wrong,
    }
    answer(as_json, data, flows, behind, _reasons(found.letters), *found.wrong)
    return int(bool(found.wrong))


def letters(
    context: typer.Context,
    reason: Reason = None,
    listed: Annotated[bool, typer.Option("--list", help="Each letter, with the place of its record.")] = False,
    resend: Annotated[bool, typer.Option("--resend", help="Send their records back to their topics, once.")] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Letters that have not been sent back: how many by reason, each of them, or send them back.

    Once the cause is mended, `--resend` puts key and value of each at the end of the topic that it came from, and the
    service reads it as a new record. A letter is sent back once, however often this runs or is killed.

        python -m pipeline candles letters --resend --reason bad_timestamp
    """
    run(context, lambda bench: _letters(bench, reason, listed, resend, yes, as_json))


def _letters(bench: Workbench, reason: str | None, listed: bool, resend: bool, yes: bool, as_json: bool) -> int:
    if resend:
        return _resend(bench, reason, yes, as_json)
    found = [letter for letter in bench.letter_box().open() if reason in (None, letter.reason)]
    counts = Counter(letter.reason for letter in found)
    if not listed:
        answer(as_json, dict(counts.most_common()), _reasons(dict(counts.most_common())))
        return 0
    shown = table("topic", "partition", "offset", "arrived", "reason", "field", "error", whole=1)
    data = []
    for letter in found:
        arrived = datetime.fromtimestamp(letter.arrived / 1000, UTC).isoformat(timespec="milliseconds")
        topic, partition, offset = letter.of
        told = (arrived, letter.reason, letter.field, letter.error)
        shown.add_row(topic, str(partition), str(offset), *told)
        names = ("topic", "partition", "offset", "arrived", "reason", "field", "error")
        data.append(dict(zip(names, (topic, partition, offset, *told), strict=True)))
    answer(as_json, data, shown)
    return 0


def _resend(bench: Workbench, reason: str | None, yes: bool, as_json: bool) -> int:
    which = f"all letters of the reason {reason}" if reason else "all letters"
    ask(f"Send {which} back to their topics?", yes)
    number = 0
    with progress("sent back") as advance:
        for some in bench.letter_box().resend(reason):
            number += some
            advance(some)
    answer(as_json, {"sent back": number}, f"sent back: {number:,}")
    return 0


def accept_loss(context: typer.Context, yes: Yes = False, as_json: Json = False) -> None:
    """Let the service go on without records that it can no longer read. It heeds that at its next start.

    A topic that was made anew is then read from its beginning; one that has dropped records before they were read, from
    the first that it still holds.

        python -m pipeline candles accept-loss
    """
    run(context, lambda bench: _accept_loss(bench, yes, as_json))


def _accept_loss(bench: Workbench, yes: bool, as_json: bool) -> int:
    from pipeline.structured.beginning import found_losses

    lost = {
        flow.name: found_losses(bench.checkpoints[flow.name], bench.topics, flow.topics) for flow in bench.service.flows
    }
    says = sorted({str(loss) for some in lost.values() for loss in some})
    if not says:
        answer(as_json, [], "nothing is lost")
        return 0
    ask(f"{'; '.join(says)}. Go on without that?", yes)
    for flow, some in lost.items():
        bench.checkpoints[flow].accept({loss.topic: loss.key for loss in some})
    answer(as_json, says, *says, "accepted: start the service again")
    return 0


def _reasons(counts: dict[str, int]) -> Table:
    shown = table("letters of the reason", "number", whole=1)
    for reason, number in counts.items():
        shown.add_row(reason, f"{number:,}")
    return shown


def _length(seconds: float | None) -> str:
    return "not known" if seconds is None else span(timedelta(seconds=seconds))


S = TypeVar("S", bound=AnalyticsSettings)


def commands(
    name: str,
    summary: str,
    settings: type[S],
    compose: Callable[[S], Service],
    more: Mapping[str, Sequence[Callable[..., None]]] = {},
) -> ServiceCommands:
    """What a service gives to the command line. `compose`: the service, as it runs. `more`: its own commands."""

    def workbench(read: S) -> Workbench:
        service = compose(read)  # first: one may need libraries that have to be loaded before pyarrow
        from pipeline.structured.operations.workbench import Workbench

        return Workbench(read, service)

    groups = {"Look": (check, status, letters), "Change": (accept_loss,), **more}
    example = f"python -m pipeline {name} check"
    return ServiceCommands(name, f"{summary}\n\n    {example}", settings, workbench, groups)
