"""The champion's kind of model: a scorecard. Each feature's value lies in a bin, each bin is worth points, in log-odds.

The points of all features and the base together are the log-odds of being paid back. What lowered a score most are the
features whose points are furthest below the best that the feature can give.

A file of it is JSON. Its version is the hash of its bytes, so a version is what it was trained as, for ever.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from hashlib import sha256
from itertools import pairwise
from typing import Final

import msgspec

from loan_scoring.features import FEATURES, OPTIONAL, REASONS, SCORE_PLACES

FORMAT: Final = 1
"""Of the files: one of another format does not fit."""
VERSION_LENGTH: Final = 12
MOST_POINTS: Final = 50.0
"""Of a feature, either way: more would make a chance 0 or 1 by itself."""

_STEP: Final = Decimal(1).scaleb(-SCORE_PLACES)


class Unfit(Exception):
    """A file that this service cannot score with; says why, in a line."""


class Feature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A value below `splits[0]` is worth `points[0]`, one from there on and below `splits[1]` `points[1]`, and so on.

    `missing`: what a missing one is worth; None where none may be missing. `shares`: of the training's applications in
    each bin, and missing, in the end.
    """

    name: str
    splits: list[float]
    points: list[float]
    missing: float | None
    shares: list[float]

    def worth(self, value: float | None) -> float:
        """Points of a value."""
        if value is None:
            return self.missing if self.missing is not None else math.nan
        return self.points[bisect_right(self.splits, value)]

    @property
    def best(self) -> float:
        """The most points that a value can be worth."""
        return max(self.points)


class Spread(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the training's scores lie: shares below `splits[0]`, from there on, and so on."""

    splits: list[float]
    shares: list[float]


class Scorecard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`base`: log-odds. `may_be_missing`: fields; with more than `most_missing` of them missing, people have to look.

    `cutoff`: the score from which on most of the training's applications lay, to compare groups of people by.
    `challenger`: SHA-256 of the file of the model that is scored beside it. `trained`: how, for people. `figures`: what
    its evaluation came to.
    """

    format: int
    base: float
    features: list[Feature]
    may_be_missing: list[str]
    most_missing: int
    scores: Spread
    cutoff: float
    challenger: str
    trained: dict[str, str]
    figures: dict[str, float]

    def log_odds(self, values: Sequence[float | None]) -> float:
        """Of being paid back; values as `FEATURES` orders them."""
        total = self.base
        for feature, value in zip(self.features, values, strict=True):
            total += feature.worth(value)
        return total

    def probability(self, values: Sequence[float | None]) -> float:
        """Of being paid back."""
        return 1.0 / (1.0 + math.exp(-self.log_odds(values)))

    def score(self, values: Sequence[float | None]) -> float:
        """The probability, rounded as the table has it: halves up."""
        return float(Decimal(repr(self.probability(values))).quantize(_STEP, ROUND_HALF_UP))

    def reasons(self, values: Sequence[float | None]) -> list[str]:
        """The features that lost most points, the worst first; none that lost nothing."""
        lost = [
            (feature.worth(value) - feature.best, place, feature.name)
            for place, (feature, value) in enumerate(zip(self.features, values, strict=True))
        ]
        return [name for loss, _, name in sorted(lost)[:REASONS] if loss < 0]


def version_of(file: bytes) -> str:
    """The version that a scorecard of these bytes is."""
    return sha256(file).hexdigest()[:VERSION_LENGTH]


def file_of(scorecard: Scorecard) -> bytes:
    """The file of a scorecard."""
    return msgspec.json.format(msgspec.json.encode(scorecard), indent=1) + b"\n"


def scorecard_of(file: bytes, version: str) -> Scorecard:
    """The scorecard of a file that should be of this version. Raises `Unfit`."""
    if version_of(file) != version:
        raise Unfit(f"is not what it was trained as: the hash of the file is {version_of(file)}")
    try:
        found = msgspec.json.decode(file, type=Scorecard)
    except msgspec.DecodeError as error:
        raise Unfit(f"is no scorecard: {error}") from None
    _look_through(found)
    return found


def _look_through(card: Scorecard) -> None:
    if card.format != FORMAT:
        raise Unfit(f"is of format {card.format}, not {FORMAT}")
    names = [feature.name for feature in card.features]
    if names != list(FEATURES):
        raise Unfit(f"scores other features: {', '.join(names)}")
    if sorted(card.may_be_missing) != sorted(OPTIONAL):
        raise Unfit(f"lets other fields be missing: {', '.join(card.may_be_missing)}")
    if not 0 <= card.most_missing <= len(OPTIONAL):
        raise Unfit(f"lets {card.most_missing} fields be missing")
    for feature in card.features:
        _look_at(feature)
    _check_shares("the scores", card.scores.splits, card.scores.shares, len(card.scores.splits) + 1)
    if not abs(card.base) <= MOST_POINTS or not 0 <= card.cutoff <= 1:
        raise Unfit("has a base or a cutoff that is none")


def _look_at(feature: Feature) -> None:
    name, points = feature.name, feature.points
    known = [*points, *([] if feature.missing is None else [feature.missing])]
    computable = all(abs(one) <= MOST_POINTS for one in known) and all(map(math.isfinite, feature.splits))
    if not computable or len(points) != len(feature.splits) + 1:
        raise Unfit(f"has points or bins of {name} that cannot be computed with")
    if (feature.missing is None) == (name in OPTIONAL):
        raise Unfit(f"has {'no ' if feature.missing is None else ''}points for a missing {name}")
    steps = [(after - before) * FEATURES[name] for before, after in pairwise(points)]
    if any(step < 0 for step in steps):
        way = "raise" if FEATURES[name] > 0 else "lower"
        raise Unfit(f"is not monotone: more of {name} has to {way} the score, or leave it")
    _check_shares(name, feature.splits, feature.shares, len(points) + 1)


def _check_shares(what: str, splits: Sequence[float], shares: Sequence[float], number: int) -> None:
    if any(after <= before for before, after in pairwise(splits)):
        raise Unfit(f"has bins of {what} that do not ascend")
    if len(shares) != number or not all(0 <= share <= 1 for share in shares) or abs(sum(shares) - 1) > 1e-6:
        raise Unfit(f"has shares of {what} that do not add up")
