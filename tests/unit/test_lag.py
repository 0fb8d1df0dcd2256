"""How far flows are behind that read the same topic."""

from __future__ import annotations

from pipeline.structured.monitoring.lag import hindmost


def test_of_flows_that_read_the_same_topic_the_last_one_counts() -> None:
    days, months = {("a", 0): 5, ("a", 1): 9}, {("a", 0): 7, ("a", 1): 2, ("b", 0): 1}
    assert hindmost([days, months]) == hindmost([months, days]) == {("a", 0): 5, ("a", 1): 2, ("b", 0): 1}
    assert hindmost([]) == {}
