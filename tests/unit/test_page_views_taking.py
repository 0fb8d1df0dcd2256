"""What a task makes of a record, before anything is written."""

from __future__ import annotations

import pytest

from page_views.names import BAD_FILE, FAULT, FILE
from page_views.taking import lane_of, taken
from pipeline.kafka.places import Place
from pipeline.kafka.reading import Range, Read, deal
from pipeline.runtime.errors import Rejected

NOW = 1_534_849_200
GOOD = f"ann,https://example.org/,{NOW},Chrome,Linux,1x1".encode()


def record(value: bytes | None, *headers: tuple[str, bytes | None]) -> Read:
    return Read(None, value, "raw", 0, 7, NOW * 1000, headers)


def test_a_file_that_cannot_be_read_is_refused_as_such() -> None:
    with pytest.raises(Rejected, match=BAD_FILE):
        taken(record(None, (FILE, b"a.csv.gz"), (FAULT, BAD_FILE.encode())), 0)


@pytest.mark.parametrize("value", [b"", b"\xff\xfe", b"anything", None])
def test_what_others_write_into_the_headers_costs_a_view_nothing(value: bytes | None) -> None:
    assert taken(record(GOOD, (FAULT, value), (FILE, value), (FAULT, value)), NOW).user == "ann"


def test_late_is_what_lies_before_the_watermark() -> None:
    assert taken(record(GOOD), NOW).time == NOW
    with pytest.raises(Rejected, match="late"):
        taken(record(GOOD), NOW + 1)


def test_a_partition_goes_to_one_task_also_as_others_are_added() -> None:
    ranges: dict[Place, Range] = {("raw", partition): Range(0, 1) for partition in range(9)}
    few = deal({place: ranges[place] for place in list(ranges)[:3]}, 4, lane_of)
    for task, dealt in enumerate(deal(ranges, 4, lane_of)):
        assert few[task].items() <= dealt.items()
        assert {partition % 4 for _, partition in dealt} == {task}
    assert deal({}, 2, lane_of) == [{}, {}]
