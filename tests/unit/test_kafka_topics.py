"""Topics that are waited for."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from pipeline.kafka.topics import Topic, Topics
from pipeline.runtime.errors import Transient


class Nothing(Topics):
    def __init__(self) -> None: ...

    def describe(self, names: Collection[str]) -> dict[str, Topic]:
        return {}


@pytest.mark.parametrize(("absent", "named"), [(2, "t0, t1"), (10, "t8, t9"), (5_012, " and 5,002 more")])
def test_a_line_that_waits_for_thousands_of_topics_names_ten(absent: int, named: str) -> None:
    with pytest.raises(Transient) as waited:
        Nothing().existing([f"t{number}" for number in range(absent)])
    assert str(waited.value).endswith(named)
    assert str(waited.value).count(", ") <= 9
    assert waited.value.waits_for == "topics"
