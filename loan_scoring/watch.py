"""What a running service looks at beside its batches: whether its model still fits the people whom it scores."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Final

from loan_scoring.champion import Champion
from loan_scoring.drift import ENOUGH, Drift, drift
from loan_scoring.looks import cards, days_of, table_of
from loan_scoring.registry import Registry
from pipeline.lake.lake import Lake
from pipeline.structured.service import Told

MOVED: Final = 0.25
"""PSI above which a model scores other people than it was trained on."""
MUCH_REVIEW: Final = 0.2
"""Share of applications with too much missing, above which somebody has to look at the producers."""
FOUR_FIFTHS: Final = 0.8
"""Disparate impact below which a group of people is at a disadvantage: the usual rule."""
FAR_APART: Final = 0.15
"""Mean distance of champion and challenger, above which one of them is wrong."""


def findings(found: Drift) -> dict[str, str]:
    """What somebody has to look at: what it is → why."""
    if found.rows < ENOUGH:
        return {}
    told: dict[str, str] = {}
    moved = {name: value for name, value in found.psi.items() if value > MOVED}
    if moved:
        named = ", ".join(f"{name} {value:.2f}" for name, value in sorted(moved.items(), key=lambda one: -one[1]))
        told["features have moved"] = f"PSI against training, more than {MOVED}: {named}"
    if found.score_psi is not None and found.score_psi > MOVED:
        told["scores have moved"] = f"PSI against training is {found.score_psi:.2f}, more than {MOVED}"
    if found.review > MUCH_REVIEW:
        told["much is missing"] = f"{found.review:.0%} of the applications are to be reviewed"
    if found.distance > FAR_APART:
        told["champion and challenger disagree"] = f"their scores are {found.distance:.2f} apart on average"
    if found.impact is not None and found.impact < FOUR_FIFTHS:
        least = min(found.groups, key=lambda name: found.groups[name])
        told["disparate impact"] = f"{least}: {found.impact:.2f} of the best group's share above the cutoff"
    return told


class Watch:
    """A poll: holds the day's scores of the champion against its training. `told`: where that is said."""

    name = "the day's scores"

    def __init__(
        self,
        lake: Lake,
        registry: Registry,
        champion: Champion,
        told: Told,
        today: Callable[[], date] = lambda: datetime.now(UTC).date(),
    ) -> None:
        self._lake, self._champion, self._told, self._today = lake, champion, told, today
        self._card_of = cards(registry)
        make = told.instruments
        self._psi = make.gauge("psi", "PSI of a feature's values of the day against training", "feature")
        self._score_psi = make.gauge("score_psi", "PSI of the day's scores against training")
        self._review = make.gauge("review_share", "Share of the day's applications with too much missing")
        self._mean = make.gauge("mean_score", "Mean of the day's scores", "model")
        self._distance = make.gauge(
            "challenger_distance", "Mean of how far champion and challenger are apart, of the day's applications"
        )
        self._impact = make.gauge(
            "disparate_impact", "The lowest share of a group at or above the cutoff, by the highest; 1 is even"
        )
        self._refused = make.gauge("models_refused", "Versions promoted after the champion that do not fit")
        self._champions = make.gauge("champion", "1 for the version that scores", "version")

    def take(self) -> None:
        """Raises `Transient`."""
        model = self._champion.known
        if model is None:
            return
        refused = self._champion.refused
        self._refused.set(len(refused))
        self._champions.clear()
        self._champions.labels(model.version).set(1)
        alarms = {f"model {version} refused": why for version, why in refused.items()}
        table, day = table_of(self._lake), self._today()
        tallies = {} if table is None else days_of(table, day, self._card_of)
        tally = tallies.get((day, model.version))
        if tally is None:
            self._forget_scores()
        else:
            found = drift(tally, model.scorecard)
            self._tell(found)
            alarms |= findings(found)
        self._told.alarm(alarms)

    def forget(self) -> None:
        """What was found is old."""
        self._forget_scores()
        self._told.alarm({})

    def _tell(self, found: Drift) -> None:
        self._forget_scores()
        for name, value in found.psi.items():
            self._psi.labels(name).set(value)
        self._review.set(found.review)
        self._mean.labels("champion").set(found.mean_score)
        self._mean.labels("challenger").set(found.mean_challenger)
        self._distance.set(found.distance)
        self._score_psi.set(float("nan") if found.score_psi is None else found.score_psi)
        self._impact.set(float("nan") if found.impact is None else found.impact)

    def _forget_scores(self) -> None:
        self._psi.clear()
        self._mean.clear()
        for gauge in (self._review, self._distance, self._score_psi, self._impact):
            gauge.set(float("nan"))
