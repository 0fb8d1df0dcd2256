"""A scorecard: what it scores, why, and which files are refused."""

from __future__ import annotations

import math
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import xgboost
from msgspec.structs import replace

from loan_scoring.champion import Champion
from loan_scoring.features import FEATURES
from loan_scoring.registry import Registry
from loan_scoring.scorecard import Scorecard, Unfit, file_of, scorecard_of, version_of
from pipeline.runtime.errors import Transient
from tests.loans.models import challenger, promoted, scorecard

BEST = (9_000.0, 50_000.0, 5.0, 120_000.0, 10.0, 0.06, 36.0, 5_000.0, 5_000.0)


def test_a_score_is_what_a_person_computes() -> None:
    card = scorecard()
    points = [one.worth(value) for one, value in zip(card.features, BEST, strict=True)]
    assert points == [one.best for one in card.features]
    assert card.log_odds(BEST) == pytest.approx(1.2 + sum(points))
    assert card.probability(BEST) == pytest.approx(1 / (1 + math.exp(-card.log_odds(BEST))))
    assert card.reasons(BEST) == []


def test_a_value_on_a_split_lies_above_it() -> None:
    dti = scorecard().features[2]
    assert [dti.worth(value) for value in (11.999, 12.0, 25.5)] == dti.points
    assert dti.worth(None) == dti.missing


def test_reasons_are_the_features_that_lost_most_the_worst_first() -> None:
    card = scorecard()
    worse = list(BEST)
    worse[5], worse[0], worse[6], worse[2] = 0.3, None, 60.0, 13.0  # type: ignore[call-overload]
    lost = {one.name: one.best - one.worth(value) for one, value in zip(card.features, worse, strict=True)}
    assert card.reasons(worse) == sorted((name for name in lost if lost[name] > 0), key=lambda name: -lost[name])[:3]
    assert card.reasons(worse)[0] == "int_rate"


def test_a_score_has_three_places_and_halves_go_up() -> None:
    flat = [replace(one, points=[0.0] * len(one.points), missing=one.missing and 0.0) for one in scorecard().features]
    half = scorecard(base=math.log(0.0625 / 0.9375), features=flat)
    assert half.probability(BEST) == 0.0625
    assert half.score(BEST) == 0.063


def test_a_file_is_read_as_it_was_written_and_its_hash_is_its_version() -> None:
    card = scorecard()
    file = file_of(card)
    assert scorecard_of(file, version_of(file)) == card
    assert version_of(file_of(scorecard(base=1.3))) != version_of(file)


def changed(**changes: Any) -> Scorecard:
    return scorecard(**changes)


def feature(place: int, **changes: Any) -> list[Any]:
    found = list(scorecard().features)
    found[place] = replace(found[place], **changes)
    return found


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"format": 2}, "is of format 2"),
        ({"features": scorecard().features[:-1]}, "scores other features"),
        ({"features": list(reversed(scorecard().features))}, "scores other features"),
        ({"may_be_missing": ["dti"]}, "lets other fields be missing"),
        ({"most_missing": 6}, "lets 6 fields be missing"),
        ({"features": feature(0, points=[0.3, 0.1, 0.4])}, "more of bc_open_to_buy has to raise"),
        ({"features": feature(2, points=[0.3, 0.1, 0.4])}, "more of dti has to lower"),
        ({"features": feature(2, points=[0.3, 0.1])}, "cannot be computed with"),
        ({"features": feature(2, points=[300.0, 0.1, 0.0])}, "cannot be computed with"),
        ({"base": 1000.0}, "a base or a cutoff"),
        ({"features": feature(2, points=[0.3, 0.1, float("-inf")])}, "is no scorecard"),
        ({"features": feature(2, splits=[5.0, 5.0])}, "do not ascend"),
        ({"features": feature(2, missing=None)}, "has no points for a missing dti"),
        ({"features": feature(3, missing=0.1)}, "has points for a missing annual_inc"),
        ({"features": feature(2, shares=[1.0])}, "shares of dti"),
        ({"cutoff": 1.5}, "a base or a cutoff"),
    ],
)
def test_a_scorecard_that_does_not_fit_is_refused(changes: dict[str, Any], why: str) -> None:
    file = file_of(changed(**changes))
    with pytest.raises(Unfit, match=why):
        scorecard_of(file, version_of(file))


@pytest.mark.parametrize("file", [b"", b"{}", b"[]", b"\xff", file_of(scorecard())[:-100], b'{"format": 1, "more": 2}'])
def test_a_file_that_is_none_is_refused(file: bytes) -> None:
    with pytest.raises(Unfit, match="is no scorecard"):
        scorecard_of(file, version_of(file))


def test_a_file_that_was_changed_is_refused() -> None:
    file = file_of(scorecard())
    with pytest.raises(Unfit, match="not what it was trained as"):
        scorecard_of(file.replace(b"1.2", b"1.9", 1), version_of(file))


class Clock:
    now = 0.0

    def __call__(self) -> float:
        self.now += 60
        return self.now


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(str(tmp_path))


def test_a_service_takes_a_promoted_version_at_its_next_look_and_goes_back_as_well(registry: Registry) -> None:
    champion = Champion(registry, Clock())
    with pytest.raises(Transient, match="train --promote"):
        champion.current()
    first = promoted(registry)
    assert champion.current().version == first
    second = promoted(registry, base=1.5)
    assert champion.current().version == second
    registry.promote(first)
    assert champion.current().version == first
    assert [one.version for one in registry.promotions()] == [first, second, first]
    assert registry.versions() == sorted({first, second})


def test_it_looks_no_more_often_than_it_should(registry: Registry) -> None:
    champion = Champion(registry, lambda: 0.0)
    first = promoted(registry)
    assert champion.current().version == first
    promoted(registry, base=1.5)
    assert champion.current().version == first


def _spoil(folder: Path, version: str, how: str) -> None:
    scorecard_file = folder / "versions" / version / "scorecard.json"
    beside = folder / "versions" / version / "challenger.json"
    if how == "gone":
        scorecard_file.unlink()
    elif how == "changed":
        scorecard_file.write_bytes(scorecard_file.read_bytes().replace(b"1.5", b"9.5", 1))
    elif how == "bytes":
        scorecard_file.write_bytes(b"\xff\xfe")
    elif how == "no challenger":
        beside.unlink()
    else:
        beside.write_text(beside.read_text() + " ")


@pytest.mark.parametrize("how", ["gone", "changed", "bytes", "no challenger", "another challenger"])
def test_a_version_that_does_not_fit_is_refused_by_name_and_the_old_one_goes_on(
    registry: Registry, tmp_path: Path, how: str
) -> None:
    champion = Champion(registry, Clock())
    first = promoted(registry)
    assert champion.current().version == first
    second = promoted(registry, base=1.5)
    _spoil(tmp_path, second, how)
    assert champion.current().version == first
    assert list(champion.refused) == [second]
    again = Champion(registry, Clock())
    assert again.current().version == first, "also where a service starts anew"
    with pytest.raises(Unfit):
        registry.promote(second)
    third = promoted(registry, base=1.7)
    assert champion.current().version == third
    assert champion.refused == {}


def test_a_list_of_champions_that_is_none_lets_the_old_one_go_on(registry: Registry, tmp_path: Path) -> None:
    champion = Champion(registry, Clock())
    first = promoted(registry)
    champion.current()
    (tmp_path / "champion.json").write_text("{")
    assert champion.current().version == first


def test_a_challenger_that_is_no_model_is_refused(registry: Registry) -> None:
    version = registry.add(scorecard(challenger=sha256(b"{}").hexdigest()), "{}", "")
    with pytest.raises(Unfit, match="a challenger that cannot be loaded"):
        registry.model(version)


def test_a_challenger_of_other_features_is_refused(registry: Registry) -> None:
    matrix = xgboost.DMatrix(np.array([[0.0, 1.0], [1.0, 0.0]]), label=[0, 1])
    other = bytes(xgboost.train({"nthread": 1}, matrix, 1).save_raw("json")).decode()
    version = registry.add(scorecard(challenger=sha256(other.encode()).hexdigest()), other, "")
    with pytest.raises(Unfit, match="it scores 2 features, not 9"):
        registry.model(version)


def test_the_features_are_all_there_and_the_challenger_scores_them() -> None:
    from loan_scoring.challenger import scores

    assert len(FEATURES) == len(BEST)
    found = scores(challenger(), [BEST, [None, *BEST[1:]]])
    assert all(0 < one < 1 for one in found)
    assert len(scores(challenger(), [])) == 0
    assert msgspec.json.decode(challenger())
