"""Whether all is there that a service of the analytics needs, and lets it in. Changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from pipeline.console.finding import Finding, fail, ok, warn
from pipeline.kafka.letters import ROOM, letters_of
from pipeline.runtime.errors import PipelineError
from pipeline.structured.beginning import found_losses
from pipeline.structured.jars import JARS, KAFKA
from pipeline.structured.operations.workbench import Workbench

SHORTEST_MEMORY: Final = 24 * 60
"""Minutes that brokers should remember the offsets of a group without members: marks are committed anew each hour."""
REMEDY: Final = "set KAFKA_BROKERS and the other settings so that this machine gets in"


def looks(bench: Workbench) -> Sequence[tuple[str, Callable[[], Iterable[Finding]]]]:
    """What is looked at, one after another. A look raises `PipelineError` where it cannot look on."""
    needs = [(name, _probing(name, probe)) for name, probe in bench.service.needs]
    return (
        ("settings", lambda: [ok("settings", "complete")]),
        ("jars", _jars),
        ("brokers", lambda: _brokers(bench)),
        ("topics to read", lambda: _read(bench)),
        ("topics to write", lambda: _written(bench)),
        ("letters", lambda: _letters(bench)),
        ("checkpoint", lambda: _checkpoint(bench)),
        *needs,
    )


def _jars() -> Iterator[Finding]:
    found = sorted((JARS / KAFKA).glob("*.jar"))
    if found:
        yield ok("jars", f"{len(found)} for Kafka")
    else:
        remedy = "`make setup` fetches them; under spark-submit, give them with --jars"
        yield warn("jars", f"none for Kafka in {JARS / KAFKA}", remedy)


def _brokers(bench: Workbench) -> Iterator[Finding]:
    minutes = bench.topics.group_memory()
    yield ok("brokers", "answer")
    if minutes is not None and minutes < SHORTEST_MEMORY:
        remedy = f"raise offsets.retention.minutes to {SHORTEST_MEMORY} or more"
        text = f"groups are forgotten after {minutes} minutes: a lost checkpoint may then repeat rows and letters"
        yield warn("brokers", text, remedy)


def _read(bench: Workbench) -> Iterator[Finding]:
    found = bench.topics.describe(bench.reads)
    for name in bench.reads:
        if name in found:
            yield ok(f"topic {name}", f"{found[name].partitions} partitions")
        else:
            yield fail(f"topic {name}", "does not exist: the service waits for it", "make it, or mend the setting")


def _written(bench: Workbench) -> Iterator[Finding]:
    names = [*bench.service.writes, *(letters_of(topic) for topic in bench.reads)]
    found = bench.topics.describe(names)
    missing = [name for name in names if name not in found]
    yield ok("topics to write", f"{len(found)} are there, {len(missing)} will be made")


def _letters(bench: Workbench) -> Iterator[Finding]:
    found = bench.topics.describe([*bench.reads, *map(letters_of, bench.reads)])
    largest = bench.topics.largest(found)
    for name in bench.reads:
        letters = letters_of(name)
        if name in largest and letters in largest and largest[letters] < largest[name] + ROOM:
            text = (
                f"takes {largest[letters]} bytes, {name} {largest[name]}: a letter that does not fit stops the service"
            )
            yield warn(f"topic {letters}", text, f"set its max.message.bytes to {largest[name] + ROOM}")


def _checkpoint(bench: Workbench) -> Iterator[Finding]:
    for flow in bench.service.flows:
        checkpoint = bench.checkpoints[flow.name]
        ended = checkpoint.last_ended()
        checkpoint.probe()
        begins = (
            f"batch {ended.number} has ended" if ended else f"none yet: begins at {bench.settings.starting_offsets}"
        )
        yield ok(f"checkpoint of {flow.name}", begins)
        present = bench.topics.describe(flow.topics)
        for loss in found_losses(checkpoint, bench.topics, present):
            remedy = f"find out why; then `python -m pipeline {bench.service.name} accept-loss`"
            yield fail(f"topic {loss.topic}", loss.what, remedy)


def _probing(name: str, probe: Callable[[], object]) -> Callable[[], Iterable[Finding]]:
    def look() -> Iterator[Finding]:
        try:
            probe()
        except PipelineError as error:
            yield fail(name, str(error), "start it, or mend the settings that lead there")
        else:
            yield ok(name, "answers")

    return look
