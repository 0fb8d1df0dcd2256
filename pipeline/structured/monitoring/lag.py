"""How far flows are behind: in records, and in seconds by the first record that is not in effect."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from pipeline.kafka.arrivals import first_arrivals
from pipeline.kafka.places import Place
from pipeline.kafka.topics import Topics
from pipeline.structured.monitoring.status import Lag


class LagPoll:
    """`positions`: of all flows, the offsets to be read next. `tell`: is given what was found."""

    name = "lag"

    def __init__(
        self,
        topics: Topics,
        client: Mapping[str, Any],
        positions: Callable[[], Mapping[Place, int]],
        tell: Callable[[Sequence[Lag]], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._topics, self._client = topics, dict(client)
        self._positions, self._tell, self._clock = positions, tell, clock

    def take(self) -> None:
        """Raises `Transient`, `Halted`."""
        self._tell(lags(self._topics, self._client, self._positions(), self._clock))

    def forget(self) -> None:
        self._tell([])


def hindmost(positions: Iterable[Mapping[Place, int]]) -> dict[Place, int]:
    """Of flows that read the same topic, where the last of them is."""
    found: dict[Place, int] = {}
    for of_flow in positions:
        for place, offset in of_flow.items():
            found[place] = min(offset, found.get(place, offset))
    return found


def lags(
    topics: Topics, client: Mapping[str, Any], positions: Mapping[Place, int], clock: Callable[[], float] = time.time
) -> list[Lag]:
    """Of each partition, the worst first. `positions`: the offsets to be read next. Raises `Transient`, `Halted`."""
    latest = topics.latest(positions)
    behind = {place: latest[place] - at for place, at in positions.items() if latest[place] > at}
    arrived = first_arrivals(client, {place: positions[place] for place in behind})
    now = clock()
    found = [Lag(*place, behind.get(place, 0), _age(place, place in behind, arrived, now)) for place in positions]
    return sorted(found, key=lambda lag: (-(lag.seconds or 0), -lag.records, lag.topic, lag.partition))


def _age(place: Place, behind: bool, arrived: Mapping[Place, int], now: float) -> float | None:
    if not behind:
        return 0.0
    return round(max(0.0, now - arrived[place] / 1000), 1) if place in arrived else None
