"""How the model fared, day by day and version by version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from loan_scoring.drift import CardOf, Drift, Tally, drift
from loan_scoring.watch import findings


@dataclass(frozen=True)
class Reported:
    """Of a day and a version. `findings`: what has to be looked at → why. `histogram`: scores, by tenths of 0 to 1."""

    day: date
    version: str
    drift: Drift
    findings: dict[str, str]
    histogram: list[int]


def reported(tallies: Mapping[tuple[date, str], Tally], card_of: CardOf) -> list[Reported]:
    """The oldest day first, and of a day the version first that was trained first."""
    found = []
    for (day, version), tally in tallies.items():
        card = card_of(version)
        if card is not None:
            one = drift(tally, card)
            told = Reported(day, version, one, findings(one), tally.histogram.tolist())
            found.append((day, card.trained.get("at", ""), version, told))
    return [told for *_, told in sorted(found, key=lambda one: one[:3])]
