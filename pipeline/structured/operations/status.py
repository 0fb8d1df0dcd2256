"""How a service of the analytics is doing, seen from outside: its checkpoints, its topics, its letters."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from pipeline.kafka.places import Place
from pipeline.structured.beginning import at, found_losses
from pipeline.structured.monitoring.lag import hindmost, lags
from pipeline.structured.monitoring.status import Lag
from pipeline.structured.operations.workbench import Workbench


@dataclass(frozen=True)
class Status:
    """`batches`: flow → the last batch that ended, None before the first. `lag`: the worst first.

    `letters`: not sent back, by reason. `wrong`: what somebody has to look at.
    """

    batches: dict[str, int | None]
    lag: list[Lag]
    letters: dict[str, int]
    wrong: list[str]


def look(bench: Workbench) -> Status:
    """Raises `PipelineError`."""
    batches, wrong = {}, []
    positions: list[dict[Place, int]] = []
    present = bench.topics.describe(bench.reads)
    wrong += [f"topic {name} does not exist" for name in bench.reads if name not in present]
    for flow in bench.service.flows:
        checkpoint = bench.checkpoints[flow.name]
        ended = checkpoint.last_ended()
        batches[flow.name] = ended.number if ended else None
        wrong += [
            str(loss) for loss in found_losses(checkpoint, bench.topics, [n for n in flow.topics if n in present])
        ]
        positions.append({place: offset for place, offset in at(checkpoint).items() if place[0] in present})
    letters = Counter(letter.reason for letter in bench.letter_box().open())
    behind = lags(bench.topics, bench.client, hindmost(positions))
    return Status(batches, behind, dict(letters.most_common()), wrong)
