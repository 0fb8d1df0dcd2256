"""A fault: its name, how it is made, and the strike itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from tests.faults.scene import Scene

Strike = Callable[[Scene, str], None]
"""Makes the fault (whose name is given) while a scene's traffic goes on, counts each time that it fired in
`scene.hits`, and heals it."""


@dataclass(frozen=True)
class Fault:
    """`what` it is that happens, for people. `weight`: how often the chaos runner picks it, relative to others.

    `rounds`: of a soak. `spark`: it has rounds with Spark, too, or only. `shown`: the metrics that tell an operator of
    it, as docs/operations.md says: each with a label and its value, and above zero once it has struck.
    """

    name: str
    what: str
    strike: Strike
    weight: float = 1.0
    rounds: int = 3
    spark: bool = False
    only_spark: bool = False
    shown: tuple[tuple[str, str, str], ...] = ()


def listed(*faults: Fault) -> dict[str, Fault]:
    """Faults by name."""
    return {fault.name: fault for fault in faults}


def picked(faults: Sequence[Fault], scene: Scene, most: int) -> list[Fault]:
    """One to `most` faults, each by its weight; the scene's seed decides."""
    weights = [fault.weight for fault in faults]
    return scene.random.choices(faults, weights, k=scene.random.randint(1, most))


def offered(faults: Iterable[Fault], *, spark: bool) -> list[Fault]:
    """Those that have rounds with Spark, or without it."""
    return [fault for fault in faults if (fault.spark if spark else not fault.only_spark)]
