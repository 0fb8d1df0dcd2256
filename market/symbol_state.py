"""What is kept of a symbol: its newest candles in order of time, and the recursions' values after the newest of them.

Candles that come in order cost a step each. One that is late, or corrects another, among the newest LATENESS is put in
its place, and every step from there on is taken again; so whatever the order of arrival, the end is as if in order.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import Final

import msgspec

from market.candle import Candle
from market.indicators import WINDOW, Figure, Plan, Step, figures, step


class SymbolState(msgspec.Struct, frozen=True, array_like=True):
    """`candles`: the newest, in order; `steps`: of the newest of those. All that there ever were, or enough."""

    candles: tuple[Candle, ...] = ()
    steps: tuple[Step, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether these are all candles of the symbol."""
        return not self.steps or self.steps[-1].count == len(self.candles)


EMPTY: Final = SymbolState()


@dataclass(frozen=True, slots=True)
class Folded:
    """What becomes of some candles.

    `changed`: candles whose figures are new, in order. `added`, `corrected`: minutes that are new, and that now say
    something else. `late`: positions among those given of the ones that come too late. `old`: of those that are older
    than all that is kept: late as well, unless the collection says the same.
    """

    state: SymbolState
    changed: Sequence[tuple[Candle, dict[str, Figure]]]
    added: Set[int]
    corrected: Set[int]
    late: Sequence[int]
    old: Sequence[int]


def fold(state: SymbolState, arrived: Sequence[Candle], plan: Plan, lateness: int, since: int | None = None) -> Folded:
    """Take candles in order of their arrival. Pure. What is not before `since` is computed again in any case."""
    candles = list(state.candles)
    times = [candle.at for candle in candles]
    first = len(candles)
    added: set[int] = set()
    corrected: set[int] = set()
    late: list[int] = []
    old: list[int] = []
    for number, candle in enumerate(arrived):
        place = bisect_left(times, candle.at)
        there = place < len(times) and times[place] == candle.at
        if there and candles[place] == candle:
            continue
        if len(times) - place - there > lateness:
            (old if place == 0 and not state.whole else late).append(number)
            continue
        if there:
            candles[place] = candle
            corrected.add(candle.at)
        else:
            added.add(candle.at)
            candles.insert(place, candle)
            times.insert(place, candle.at)
        first = min(first, place)
    if since is not None:
        first = min(first, bisect_left(times, since))
    steps = _steps(state, candles, first, plan)
    passed = len(candles) - len(steps)
    changed = [
        (candles[place], figures(plan, candles[max(0, place + 1 - WINDOW) : place + 1], steps[place - passed]))
        for place in range(first, len(candles))
    ]
    kept = SymbolState(tuple(candles[-(lateness + WINDOW) :]), tuple(steps[-(lateness + 2) :]))
    return Folded(kept, changed, added, corrected - added, late, old)


def _steps(state: SymbolState, candles: Sequence[Candle], first: int, plan: Plan) -> list[Step]:
    """The steps of the newest candles: those of `state` that are before place `first`, and all from there on."""
    passed = len(state.candles) - len(state.steps)
    steps = list(state.steps[: first - passed])
    for place in range(first, len(candles)):
        before, previous = (steps[-1], candles[place - 1]) if place else (None, None)
        steps.append(step(plan, before, previous, candles[place]))
    return steps
