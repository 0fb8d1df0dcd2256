"""What the producer of applications sends is what it says that it is."""

from __future__ import annotations

import json
from collections import Counter
from copy import deepcopy

import pytest

from loan_scoring.application import Application, read
from loan_scoring.model.made import made as people
from pipeline.runtime.errors import Rejected
from producers.loans import BROKEN, TOPIC, UNUSUAL, Fields, Mishaps, applications, fields_of
from tests.loans.told_again import features, numbers

ALL_WRONG = Mishaps(ids=0.6, unusual=0.5, repeated=0.2, conflicting=0.1, broken=0.2)


def fields() -> Fields:
    sample = people(200, 1)
    return next(made for made in (fields_of(sample, place, 7) for place in range(200)) if "NA" not in made.values())


def taken(value: bytes | None) -> Application:
    return read(value, "applicant_group")


def test_the_same_seed_is_the_same_traffic_and_another_one_is_not() -> None:
    first, again = (list(applications(1, 200, ALL_WRONG)) for _ in range(2))
    assert first == again != list(applications(2, 200, ALL_WRONG))


def test_every_kind_is_what_it_is_called() -> None:
    said: dict[str, bytes] = {}
    kinds = Counter[str]()
    for made in applications(3, 2_000, ALL_WRONG):
        kinds[made.kind] += 1
        assert made.topic == TOPIC
        if made.kind == "broken":
            with pytest.raises(Rejected):
                taken(made.value)
            continue
        found = taken(made.value)
        if found.own_id is not None:
            first = said.setdefault(found.own_id, found.content)
            assert (first == found.content) == (made.kind != "conflict"), made
    assert kinds.keys() == {"application", "unusual", "repeated", "conflict", "broken"}
    assert 0.4 < len(said) / 2_000 < 0.8


@pytest.mark.parametrize("what", dict(UNUSUAL))
def test_what_is_written_unusually_says_the_same(what: str) -> None:
    before = fields()
    after = dict(UNUSUAL)[what](deepcopy(before))
    assert after != before or what in ("n/a", "null")
    assert taken(json.dumps(after).encode()).content == taken(json.dumps(before).encode()).content


@pytest.mark.parametrize("what", dict(BROKEN))
def test_what_is_broken_is_a_letter(what: str) -> None:
    with pytest.raises(Rejected):
        taken(dict(BROKEN)[what]({"application_id": "A-1", **fields()}))


def test_tests_and_demo_read_applications_by_other_means_and_find_the_same() -> None:
    for made in applications(5, 500, Mishaps(broken=0, unusual=0.5)):
        found, said = taken(made.value), numbers(json.loads(made.value or b""))
        assert list(found.features) == features(said)
        assert found.member_id == said["member_id"]
