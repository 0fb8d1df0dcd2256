"""Training: models go the way that a credit officer expects, are nearly as good as the truth, and say what they are."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score  # type: ignore[import-untyped]

from loan_scoring.features import FEATURES
from loan_scoring.model.card import card
from loan_scoring.model.evaluation import probabilities
from loan_scoring.model.made import GROUPS, made
from loan_scoring.model.sample import of_file
from loan_scoring.model.training import Trained, train
from loan_scoring.outcomes import auc
from loan_scoring.registry import Registry
from loan_scoring.scorecard import file_of, scorecard_of, version_of
from pipeline.runtime.errors import Fatal
from tests.unit.test_loan_application import GOOD


@pytest.fixture(scope="module")
def trained() -> Trained:
    return train(made(12_000, 1), "12000 loans made up", 1, lambda _: None)


def test_loans_are_made_up_the_same_for_the_same_seed_and_as_people_are() -> None:
    one, again, other = made(5_000, 1), made(5_000, 1), made(5_000, 2)
    assert np.array_equal(one.features, again.features, equal_nan=True)
    assert not np.array_equal(one.features, other.features, equal_nan=True)
    known = dict(zip(FEATURES, one.features.T, strict=True))
    assert 0.7 < one.paid.mean() < 0.88
    assert 55_000 < np.median(known["annual_inc"]) < 75_000
    assert 0.10 < known["int_rate"].mean() < 0.17
    assert set(np.unique(known["term"])) == {36.0, 60.0}
    assert np.corrcoef(known["annual_inc"], known["loan_amnt"])[0, 1] > 0.2
    assert set(one.group.tolist()) == set(GROUPS)
    assert made(5_000, 1, drift=1.0).paid.mean() < one.paid.mean() - 0.03
    assert np.nanmin(one.features) >= 0


def test_the_model_is_nearly_as_good_as_the_truth_and_calibrated(trained: Trained) -> None:
    figures = trained.evaluation.figures
    assert figures["best_auc"] - 0.015 < figures["auc"] <= figures["best_auc"] + 0.005
    assert figures["challenger_auc"] > figures["best_auc"] - 0.02
    assert figures["calibration_error"] < 0.03
    assert figures["ks"] > 0.25


def test_what_was_trained_fits_and_only_goes_the_way_that_it_should(trained: Trained) -> None:
    file = file_of(trained.scorecard)
    assert scorecard_of(file, version_of(file)) == trained.scorecard
    assert sum(len(one.splits) for one in trained.scorecard.features) > 12
    for feature in trained.scorecard.features:
        steps = np.diff(feature.points) * FEATURES[feature.name]
        assert (steps >= 0).all(), feature.name


def test_many_scores_at_once_are_those_of_one_by_one(trained: Trained) -> None:
    some = trained.held_out.features[:500]
    rows = [[None if np.isnan(value) else float(value) for value in row] for row in some]
    one_by_one = [trained.scorecard.probability(row) for row in rows]
    assert np.abs(probabilities(trained.scorecard, some) - one_by_one).max() < 1e-12


def test_the_same_loans_and_seed_train_the_same_model(trained: Trained) -> None:
    again = train(made(12_000, 1), "12000 loans made up", 1, lambda _: None)
    assert again.scorecard.features == trained.scorecard.features
    assert again.challenger == trained.challenger


def test_a_card_tells_figures_segments_limits_and_points(trained: Trained, tmp_path: Path) -> None:
    text = card(trained.scorecard, trained.evaluation)
    for said in (
        "| auc |",
        "| group under 30 |",
        "| 60 months |",
        "fund_rate",
        "Disparate impact",
        "| int_rate | lowers",
    ):
        assert said in text
    registry = Registry(str(tmp_path))
    version = registry.add(trained.scorecard, trained.challenger, text)
    registry.promote(version)
    assert registry.model(version).scorecard == trained.scorecard
    assert registry.card(version) == text


def _write(path: Path, rows: list[dict[str, Any]]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, [*GOOD, "applicant_group", "paid"])
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_loans_of_a_file_are_read_by_the_rules_of_the_topic(tmp_path: Path) -> None:
    rows = [{**GOOD, "paid": place % 2, "applicant_group": "30+"} for place in range(10)]
    broken = [{**GOOD, "paid": 1, "term": "48 months"}, {**GOOD, "paid": "yes"}, {**GOOD, "paid": ""}]
    sample, faults = of_file(_write(tmp_path / "loans.csv", [*rows, *broken]), "applicant_group")
    assert len(sample) == 10
    assert sample.paid.sum() == 5
    assert np.isnan(sample.features[0][1])
    assert sample.features[0][5] == 0.1065
    assert set(sample.group.tolist()) == {"30+"}
    assert faults == {"bad_term: term": 1, "wrong_type: paid": 1, "missing_field: paid": 1}


def test_a_file_that_teaches_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match="no loans of both kinds"):
        of_file(_write(tmp_path / "loans.csv", [{**GOOD, "paid": 1}]), "applicant_group")
    with pytest.raises(Fatal, match="No such file"):
        of_file(tmp_path / "nowhere.csv", "applicant_group")


def test_the_order_of_scores_is_judged_as_others_judge_it() -> None:
    rng = np.random.default_rng(1)
    paid, scores = rng.random(500) < 0.6, np.round(rng.random(500), 2)
    assert auc(paid, scores) == pytest.approx(roc_auc_score(paid, scores))
    assert auc(np.ones(5, bool), scores[:5]) is None
