"""What the scores of a day tell of the model, held against its training: drift, review, groups of people.

PSI, the population stability index, is the usual measure of how far shares have moved: below 0.1 nothing has, above
0.25 the model scores other people than it was trained on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]

from loan_scoring.features import FEATURES
from loan_scoring.scorecard import Scorecard
from loan_scoring.table import APPLIED_AT, REVIEW

COLUMNS: Final = ("applied_at", "data", "status", "model_version", "challenger", "features", "applicant_group")
"""Of the table, that are looked at."""
LEAST_SHARE: Final = 1e-4
"""Of a bin in which nothing lies: PSI takes logarithms."""
TENTHS: Final = 10
ENOUGH: Final = 200
"""Applications from which on shares say something."""
ENOUGH_OF_A_GROUP: Final = 50

Counts = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float64]
CardOf = Callable[[str], Scorecard | None]
"""The scorecard of a version; None where there is none that fits."""


@dataclass
class Tally:
    """Counts of one day's applications that one version scored."""

    rows: int = 0
    review: int = 0
    features: dict[str, Counts] = field(default_factory=dict)
    scores: Counts = field(default_factory=lambda: np.zeros(0, np.int64))
    histogram: Counts = field(default_factory=lambda: np.zeros(TENTHS, np.int64))
    score_sum: float = 0.0
    challenger_sum: float = 0.0
    distance_sum: float = 0.0
    groups: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Of people: applications, and those at or above the cutoff."""

    def add(self, rows: pa.Table, card: Scorecard) -> None:
        """Rows of this day and version (columns `COLUMNS`)."""
        scores, beside = _numbers(rows, "data"), _numbers(rows, "challenger")
        self.rows += len(rows)
        self.review += int(pc.sum(pc.equal(rows["status"], REVIEW)).as_py() or 0)
        self.score_sum += float(scores.sum())
        self.challenger_sum += float(beside.sum())
        self.distance_sum += float(np.abs(scores - beside).sum())
        self.histogram = self.histogram + np.histogram(scores, TENTHS, (0, 1))[0]
        self.scores = _plus(self.scores, np.digitize(scores, card.scores.splits), len(card.scores.shares))
        features = rows["features"].combine_chunks()
        for feature in card.features:
            values = np.asarray(pc.struct_field(features, feature.name).to_numpy(zero_copy_only=False), dtype=float)
            missing = len(feature.points)
            bins = np.where(np.isnan(values), missing, np.digitize(values, feature.splits))
            self.features[feature.name] = _plus(self.features.get(feature.name), bins, missing + 1)
        for group, number, above in _by_group(rows["applicant_group"], scores >= card.cutoff):
            before = self.groups.get(group, (0, 0))
            self.groups[group] = before[0] + number, before[1] + above


@dataclass(frozen=True)
class Drift:
    """What a tally says. `psi`: by feature; None where there are too few rows. `impact`: None without enough groups.

    `distance`: mean of how far champion and challenger are apart.
    """

    rows: int
    review: float
    psi: dict[str, float]
    score_psi: float | None
    mean_score: float
    mean_challenger: float
    distance: float
    impact: float | None
    groups: dict[str, float]

    @property
    def worst(self) -> tuple[str, float] | None:
        """The feature that has moved most."""
        return max(self.psi.items(), key=lambda one: one[1], default=None)


def drift(tally: Tally, card: Scorecard) -> Drift:
    """A tally held against the training of the version that it is of."""
    enough = tally.rows >= ENOUGH
    shares = {one.name: one.shares for one in card.features}
    rows = max(tally.rows, 1)
    above = {
        name: hits / number for name, (number, hits) in sorted(tally.groups.items()) if number >= ENOUGH_OF_A_GROUP
    }
    return Drift(
        rows=tally.rows,
        review=tally.review / rows,
        psi={name: psi(shares[name], tally.features[name]) for name in FEATURES} if enough else {},
        score_psi=psi(card.scores.shares, tally.scores) if enough else None,
        mean_score=tally.score_sum / rows,
        mean_challenger=tally.challenger_sum / rows,
        distance=tally.distance_sum / rows,
        impact=min(above.values()) / max(above.values()) if len(above) > 1 and max(above.values()) > 0 else None,
        groups=above,
    )


def psi(expected: Sequence[float], counts: Counts) -> float:
    """How far counts have moved from the shares that were expected."""
    was = np.maximum(np.asarray(expected), LEAST_SHARE)
    now = np.maximum(counts / max(counts.sum(), 1), LEAST_SHARE)
    was, now = was / was.sum(), now / now.sum()
    return float(np.sum((now - was) * np.log(now / was)))


def tallied(batches: Iterable[pa.RecordBatch], card_of: CardOf) -> dict[tuple[date, str], Tally]:
    """By day and version, of rows of the table (columns `COLUMNS`). Rows of a version without a card are left out."""
    found: defaultdict[tuple[date, str], Tally] = defaultdict(Tally)
    for batch in batches:
        rows = pa.Table.from_batches([batch])
        days = pc.cast(rows[APPLIED_AT], pa.date32())
        for day, version in _kinds(days, rows["model_version"]):
            card = card_of(version)
            if card is not None:
                chosen = rows.filter(pc.and_(pc.equal(days, day), pc.equal(rows["model_version"], version)))
                found[day, version].add(chosen, card)
    return dict(found)


def _kinds(days: pa.ChunkedArray, versions: pa.ChunkedArray) -> list[tuple[Any, str]]:
    groups = pa.table({"day": days, "version": versions}).group_by(["day", "version"]).aggregate([])
    return [(row["day"], row["version"]) for row in groups.to_pylist() if row["version"] is not None]


def _by_group(groups: pa.ChunkedArray, above: npt.NDArray[np.bool_]) -> Iterator[tuple[str, int, int]]:
    table = pa.table({"group": groups, "above": above.astype(np.int64)}).filter(pc.is_valid(groups))
    for row in table.group_by("group").aggregate([("above", "count"), ("above", "sum")]).to_pylist():
        yield row["group"], row["above_count"], row["above_sum"]


def _numbers(rows: pa.Table, name: str) -> Numbers:
    found: Numbers = np.nan_to_num(np.asarray(rows[name].to_numpy(), dtype=float))
    return found


def _plus(before: Counts | None, bins: npt.NDArray[Any], number: int) -> Counts:
    counts = np.bincount(bins, minlength=number)
    return counts if before is None or not len(before) else before + counts
