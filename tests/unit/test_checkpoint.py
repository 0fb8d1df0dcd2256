"""What a flow keeps beside Spark's checkpoint, and amending that."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.kafka.topics import Topic
from pipeline.runtime.errors import Fatal, Transient
from pipeline.structured.checkpoint import Checkpoint
from pipeline.structured.files import Files
from pipeline.structured.losses import losses


def planned(folder: Path, number: int, offsets: str) -> None:
    file = folder / "service" / "flow" / "spark" / "offsets" / str(number)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f'v1\n{{"batchWatermarkMs":{number * 1000},"conf":{{}}}}\n{offsets}')
    (file.parent / f".{number}.crc").write_bytes(b"crc")


def ended(folder: Path, number: int) -> None:
    file = folder / "service" / "flow" / "spark" / "commits" / str(number)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("v1\n{}")


def checkpoint(folder: Path) -> Checkpoint:
    return Checkpoint(str(folder), "service", "flow")


def test_nothing_has_ended_before_the_first_batch(tmp_path: Path) -> None:
    assert checkpoint(tmp_path).last_ended() is None
    assert checkpoint(tmp_path).beginning() == {}
    assert checkpoint(tmp_path).topics() == {}


def test_the_last_batch_that_ended_says_where_to_go_on(tmp_path: Path) -> None:
    planned(tmp_path, 9, '{"a":{"0":5}}')
    planned(tmp_path, 10, '{"a":{"0":7,"1":3}}')
    ended(tmp_path, 9)
    last = checkpoint(tmp_path).last_ended()
    assert last is not None
    assert (last.number, last.through, last.watermark) == (9, {("a", 0): 5}, 9000)
    assert checkpoint(tmp_path).planned(10).through == {("a", 0): 7, ("a", 1): 3}


def test_amended_offsets_keep_the_rest_of_the_batch_and_drop_what_was_planned_on_top(tmp_path: Path) -> None:
    planned(tmp_path, 0, '{"a":{"0":5}}')
    planned(tmp_path, 1, '{"a":{"0":7}}')
    ended(tmp_path, 0)
    checkpoint(tmp_path).amend({("b", 0): 2, ("a", 0): 6})
    offsets = tmp_path / "service" / "flow" / "spark" / "offsets"
    assert (offsets / "0").read_text() == 'v1\n{"batchWatermarkMs":0,"conf":{}}\n{"a":{"0":6},"b":{"0":2}}'
    assert sorted(file.name for file in offsets.iterdir()) == ["0"]  # and no checksum of what it was


def test_what_another_version_has_written_is_not_guessed_at(tmp_path: Path) -> None:
    planned(tmp_path, 0, '{"a":{"0":5}}\n{"b":{"0":5}}')
    with pytest.raises(Fatal, match="a number of sources"):
        checkpoint(tmp_path).planned(0)
    with pytest.raises(Fatal, match="batch 7 is not there"):
        checkpoint(tmp_path).planned(7)
    (tmp_path / "service" / "flow" / "topics.json").write_text("[]")
    with pytest.raises(Fatal, match=r"topics\.json"):
        checkpoint(tmp_path).topics()


def test_what_was_accepted_is_heeded_once(tmp_path: Path) -> None:
    kept = checkpoint(tmp_path)
    kept.accept({"a": {"kind": "dropped", "identity": "x"}})
    kept.accept({"b": {"kind": "made anew", "identity": "y"}})
    assert set(kept.accepted()) == {"a", "b"}
    kept.settle()
    assert kept.accepted() == {}


def test_spark_is_given_a_folder_as_it_is_named(tmp_path: Path) -> None:
    for name in ("a b", "100%25", "é #?"):
        for root in (f"{tmp_path}/{name}", f"file://{tmp_path}/{name}"):
            assert Checkpoint(root, "service", "flow").spark == f"file://{tmp_path}/{name}/service/flow/spark"


def test_a_store_that_is_no_folder_is_away_and_one_that_is_none_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Transient, match="checkpoint's store"):
        Files(str(tmp_path / "file")).write("name", "text")
    with pytest.raises(Fatal, match="CHECKPOINT_DIR nowhere://x cannot be used"):
        Files("nowhere://x")


def topic(identity: str = "one") -> list[Topic]:
    return [Topic("a", identity, 2, 1)]


ALL = {("a", 0): 10, ("a", 1): 10}


@pytest.mark.parametrize(
    ("positions", "identity", "earliest", "latest", "kind", "at"),
    [
        (ALL, "one", {("a", 0): 10, ("a", 1): 0}, {("a", 0): 10, ("a", 1): 30}, None, None),
        (ALL, "one", {("a", 0): 12, ("a", 1): 0}, {("a", 0): 30, ("a", 1): 30}, "dropped", (12, 10)),
        (ALL, "one", {("a", 0): 0, ("a", 1): 0}, {("a", 0): 30, ("a", 1): 9}, "cut off", (10, 9)),
        (ALL, "two", {("a", 0): 3, ("a", 1): 0}, {("a", 0): 30, ("a", 1): 30}, "made anew", (3, 0)),
        ({("a", 0): 10}, "one", {("a", 0): 0, ("a", 1): 0}, {("a", 0): 30, ("a", 1): 30}, None, None),
        ({("a", 0): 10}, "one", {("a", 0): 0, ("a", 1): 4}, {("a", 0): 30, ("a", 1): 30}, "dropped", (10, 4)),
    ],
)
def test_losses_are_told_by_kind_and_where_reading_would_go_on(
    positions: dict[tuple[str, int], int],
    identity: str,
    earliest: dict[tuple[str, int], int],
    latest: dict[tuple[str, int], int],
    kind: str | None,
    at: tuple[int, int] | None,
) -> None:
    found = losses(positions, {"a": "one"}, topic(identity), earliest, latest)
    assert [loss.kind for loss in found] == ([kind] if kind else [])
    assert [tuple(loss.at.values()) for loss in found] == ([at] if at else [])


def test_a_topic_that_was_not_read_yet_loses_nothing() -> None:
    assert losses({}, {}, topic(), {("a", 0): 5, ("a", 1): 5}, {("a", 0): 9, ("a", 1): 9}) == []
