"""What the scores of a day tell: drift, review, groups, champion against challenger."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pytest

from loan_scoring.drift import COLUMNS, ENOUGH, Drift, drift, psi, tallied
from loan_scoring.features import FEATURES
from loan_scoring.table import COLUMNS as ALL
from loan_scoring.watch import findings
from tests.loans.models import scorecard

CARD = scorecard()
DAY = datetime(2026, 3, 1, 12, tzinfo=UTC)


def rows(number: int, **changes: Sequence[object]) -> pa.RecordBatch:
    """Applications that lie as those of the training do, but for the changes."""
    features = [
        {one.name: _of_bin(one.splits, place * (len(one.points)) // number) for one in CARD.features}
        for place in range(number)
    ]
    made: dict[str, Sequence[object]] = {
        "applied_at": [DAY] * number,
        "data": [0.4 if place < number * 0.2 else 0.6 if place < number * 0.5 else 0.9 for place in range(number)],
        "status": ["success"] * number,
        "model_version": ["v1"] * number,
        "challenger": [0.7] * number,
        "features": list(features),
        "applicant_group": ["a" if place % 2 else "b" for place in range(number)],
        **changes,
    }
    fields = [ALL.field(name) for name in COLUMNS]
    arrays = [pa.array(made[field.name], field.type) for field in fields]
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))


def _of_bin(splits: list[float], place: int) -> float:
    return splits[0] - 1 if place == 0 else splits[min(place, len(splits)) - 1]


def found(*batches: pa.RecordBatch) -> Drift:
    tallies = tallied(batches, {"v1": CARD}.get)
    return drift(tallies[date(2026, 3, 1), "v1"], CARD)


def test_psi_is_what_a_person_computes() -> None:
    assert psi([0.5, 0.5], np.array([50, 50])) == 0
    by_hand = (0.25 - 0.5) * np.log(0.25 / 0.5) + (0.75 - 0.5) * np.log(0.75 / 0.5)
    assert psi([0.5, 0.5], np.array([25, 75])) == pytest.approx(by_hand)
    assert 0 < psi([1.0, 0.0], np.array([90, 10])) < 10, "a bin that nobody lay in"


def test_what_lies_as_in_training_has_not_moved() -> None:
    one = found(rows(2 * ENOUGH))
    assert one.score_psi == pytest.approx(0, abs=1e-3)
    assert one.psi["loan_amnt"] < 0.5
    assert one.impact == pytest.approx(1.0)
    assert one.rows == 2 * ENOUGH
    assert "scores have moved" not in findings(one)


def test_a_feature_that_has_moved_is_named() -> None:
    high = [dict.fromkeys(FEATURES, 0.0) | {"dti": 60.0, "term": 36.0} for _ in range(ENOUGH)]
    one = found(rows(ENOUGH, features=list(high)))
    assert one.worst is not None
    assert one.psi["dti"] > 0.25
    assert "dti" in findings(one)["features have moved"]


def test_a_missing_value_lies_in_a_bin_of_its_own() -> None:
    gone = [dict.fromkeys(FEATURES, 0.0) | {"dti": None} for _ in range(ENOUGH)]
    tallies = tallied([rows(ENOUGH, features=list(gone))], {"v1": CARD}.get)
    assert tallies[date(2026, 3, 1), "v1"].features["dti"].tolist() == [0, 0, 0, ENOUGH]


def test_a_group_at_a_disadvantage_review_and_a_challenger_that_disagrees_are_said() -> None:
    scores: list[object] = [0.9 if place % 2 else 0.3 for place in range(ENOUGH)]
    one = found(rows(ENOUGH, data=scores, status=["review"] * ENOUGH))
    assert one.groups == {"a": 1.0, "b": 0.0}
    told = findings(one)
    assert told["disparate impact"].startswith("b: 0.00")
    assert "100%" in told["much is missing"]
    assert "apart" in told["champion and challenger disagree"]


def test_few_applications_say_nothing() -> None:
    one = found(rows(ENOUGH - 1))
    assert (one.psi, one.score_psi, findings(one)) == ({}, None, {})
    assert found(rows(40, applicant_group=["a"] * 20 + ["b"] * 20)).impact is None


def test_days_and_versions_are_told_apart_and_rows_of_no_known_version_are_left_out() -> None:
    other = rows(10, model_version=["v2"] * 10)
    later = rows(10, applied_at=[datetime(2026, 3, 2, tzinfo=UTC)] * 10)
    old = rows(10, model_version=[None] * 10, features=[None] * 10, challenger=[None] * 10)
    tallies = tallied([rows(10), rows(5), other, later, old], {"v1": CARD}.get)
    assert {key: tally.rows for key, tally in tallies.items()} == {
        (date(2026, 3, 1), "v1"): 15,
        (date(2026, 3, 2), "v1"): 10,
    }
