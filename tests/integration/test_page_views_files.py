"""The drop folder into a topic, and a topic into files of batches, each once, whatever is killed in between."""

from __future__ import annotations

import gzip
import itertools
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from page_views import batches as batches_module
from page_views import drop as drop_module
from page_views.batches import Batches
from page_views.drop import DropFolder
from page_views.lines import ViewFile
from page_views.segment import Views
from page_views.waiting import State, Waiting
from pipeline.kafka.lane import Lane
from pipeline.runtime.errors import Fatal, Halted, Transient
from tests import topics

HEADER = b"anonymous_user_id,url,time,browser,os,screen_resolution"
_numbers = itertools.count()


class Folder:
    """A drop folder, and the topic that its files go to."""

    def __init__(self, kafka: str, path: Path) -> None:
        self.kafka, self.path = kafka, path
        self.topic = f"page_views_raw-{os.getpid()}-{next(_numbers)}"
        self.client = {"bootstrap.servers": kafka, "log_level": 2}
        topics.create(kafka, {self.topic: 2})

    def drop(self) -> DropFolder:
        """As a process has it that begins."""
        return DropFolder(self.path, self.client, 1, self.topic)

    def put(self, name: str, content: bytes) -> None:
        """Whole, by renaming."""
        new = self.path / f".{name}.new"
        new.write_bytes(content)
        new.replace(self.path / name)

    def values(self) -> list[bytes]:
        return sorted(record.value or b"" for record in topics.read(self.kafka, self.topic))

    def records(self) -> list[topics.Found]:
        return topics.read(self.kafka, self.topic)


@pytest.fixture
def folder(kafka: str, tmp_path: Path) -> Folder:
    return Folder(kafka, tmp_path)


def lines(first: int, end: int) -> list[bytes]:
    return [
        b"u%d,https://example.org/%d,1534849200,Chrome,Linux,1x1" % (number % 7, number) for number in range(first, end)
    ]


def content(first: int, end: int, ending: bytes = b"\n") -> bytes:
    return ending.join([HEADER, *lines(first, end)]) + ending


def test_each_line_of_a_file_is_a_record_by_its_user_that_tells_where_it_came_from(folder: Folder) -> None:
    folder.put("a.csv", content(0, 10))
    folder.put("b.CSV.gz", gzip.compress(content(10, 20, b"\r\n")))
    assert folder.drop().take() == 2
    assert folder.values() == sorted(lines(0, 20))
    found = {record.value: record for record in folder.records()}
    assert found[lines(3, 4)[0]].key == b"u3"
    assert found[lines(3, 4)[0]].headers == {"file": b"line 5 of a.csv"}
    by_partition = [record.value for record in folder.records() if record.key == b"u1"]
    assert by_partition == [line for line in lines(0, 20) if line.startswith(b"u1,")]


def test_the_same_file_again_does_nothing_and_another_of_its_name_is_taken(folder: Folder) -> None:
    folder.put("a.csv", content(0, 10))
    drop = folder.drop()
    assert [drop.take(), drop.take(), folder.drop().take()] == [1, 0, 0]
    folder.put("a.csv", content(0, 10))
    assert [drop.take(), folder.drop().take()] == [0, 0]
    folder.put("a.csv", content(10, 12))
    assert folder.drop().take() == 1
    assert folder.values() == sorted(lines(0, 12))


def test_files_that_are_half_written_or_others_by_their_names_are_left_alone(folder: Folder) -> None:
    for name in (".a.csv", "_a.csv", "a.csv.tmp", "a.csv.part", "a.txt", "a.json"):
        (folder.path / name).write_bytes(content(0, 2))
    (folder.path / "folder.csv").mkdir()
    assert folder.drop().take() == 0
    assert folder.values() == []


def test_a_file_that_grows_while_it_is_read_waits_until_it_is_whole(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.put("a.csv", content(0, 5))
    drop = folder.drop()
    with monkeypatch.context() as patch:

        def probed(_: ViewFile) -> None:
            with (folder.path / "a.csv").open("ab") as file:
                file.write(b"\n".join(lines(5, 9)) + b"\n")

        patch.setattr(ViewFile, "probe", probed)
        assert drop.take() == 0
    assert folder.values() == []
    assert drop.take() == 1
    assert folder.values() == sorted(lines(0, 9))


def test_a_file_that_vanishes_costs_no_other(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.put("a.csv", content(0, 5))
    folder.put("b.csv", content(5, 9))
    drop = folder.drop()
    ours = drop._there

    def there() -> Iterator[Path]:
        for path in ours():
            if path.name == "a.csv":
                path.unlink()
            yield path

    monkeypatch.setattr(drop, "_there", there)
    assert drop.take() == 1
    assert folder.values() == sorted(lines(5, 9))


def test_odd_files_are_taken_for_what_they_hold(folder: Folder) -> None:
    folder.put("empty.csv", b"")
    folder.put("header.csv", HEADER + b"\n")
    folder.put("no-header.csv", lines(0, 1)[0])
    folder.put("blanks.csv", b"\xef\xbb\xbf" + HEADER.upper() + b"\n\n  \n" + lines(1, 2)[0] + b"\n" + HEADER + b"\n")
    folder.put("long.csv", b"x" * (1 << 20) + b"\n" + lines(2, 3)[0])
    folder.put("secret.csv", b"u,https://me:secret@example.org/,1,b,o,s\n")
    assert folder.drop().take() == 6
    values = folder.values()
    long = [value for value in values if len(value) > 1000]
    assert [len(value) for value in long] == [(256 << 10) + 2]
    assert sorted(value for value in values if value not in long) == sorted(
        [*lines(0, 3), HEADER, b"u,https://example.org/,1,b,o,s"]
    )


def test_a_broken_gzip_is_one_record_that_says_so_and_nothing_of_it_is_read(folder: Folder) -> None:
    folder.put("broken.csv.gz", gzip.compress(content(0, 5000))[:-20])
    folder.put("none.csv.gz", b"\x1f\x8bnot at all")
    assert folder.drop().take() == 2
    assert folder.drop().take() == 0
    told = sorted((record.value, record.headers["file"], record.headers["fault"]) for record in folder.records())
    assert told == [(None, b"broken.csv.gz", b"bad_file"), (None, b"none.csv.gz", b"bad_file")]


@pytest.mark.parametrize("after", range(4))
def test_a_process_that_dies_between_two_pieces_is_followed_by_one_that_goes_on_there(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    monkeypatch.setattr(drop_module, "PIECE", 10)
    folder.put("a.csv", content(0, 30))
    written = itertools.count()
    write = Lane.write

    def dying(lane: Lane, *given: Any) -> None:
        if next(written) == after:
            raise Transient("killed")
        write(lane, *given)

    with monkeypatch.context() as patch:
        patch.setattr(Lane, "write", dying)
        with pytest.raises(Transient):
            folder.drop().take()
    assert len(folder.values()) == after * 10
    assert folder.drop().take() == 1
    assert folder.values() == sorted(lines(0, 30))


def test_of_two_processes_that_look_into_a_folder_each_file_is_taken_by_one(folder: Folder) -> None:
    first, second = folder.drop(), folder.drop()
    folder.put("a.csv", content(0, 5))
    assert first.take() == 1
    folder.put("b.csv", content(5, 9))
    assert second.take() == 1
    folder.put("c.csv", content(9, 12))
    with pytest.raises(Transient):
        first.take()
    assert first.take() == 1
    with pytest.raises(Transient):
        second.take()
    assert second.take() == 0
    assert folder.values() == sorted(lines(0, 12))


def test_a_folder_that_cannot_be_read_is_said(folder: Folder) -> None:
    with pytest.raises(Halted, match="cannot be read"):
        DropFolder(folder.path / "gone", folder.client, 1, folder.topic).take()


# --- batches


class Made:
    """A topic of views, and a folder of batches of three."""

    def __init__(self, kafka: str, path: Path) -> None:
        self.kafka, self.path = kafka, path / "batches"
        self.topic = f"views-{os.getpid()}-{next(_numbers)}"
        topics.create(kafka, {self.topic: 2})

    def batches(self, size: int = 3) -> Batches:
        return Batches(self.path, size, {"bootstrap.servers": self.kafka, "log_level": 2}, self.topic)

    def put(self, users: str, partition: int = 0) -> None:
        said = [
            json.dumps({"anonymousUserId": user, "time": f"2018-08-21T11:00:{ord(user) - 97:02}.000Z"}).encode()
            for user in users
        ]
        topics.produce(self.kafka, self.topic, [topics.Sent(value, None, partition) for value in said])

    def files(self) -> dict[str, dict[str, Any]]:
        return {path.name: json.loads(path.read_bytes()) for path in self.path.glob("[0-9]*.json")}


@pytest.fixture
def made(kafka: str, tmp_path: Path) -> Made:
    return Made(kafka, tmp_path)


def batch(users: str) -> dict[str, Any]:
    first, last = (f"2018-08-21T11:00:{ord(one(users)) - 97:02}.000Z" for one in (min, max))
    return {"min date": first, "max date": last, "unique users": len(set(users))}


def numbered(*batches: str) -> dict[str, dict[str, Any]]:
    return {f"{number}.json": batch(users) for number, users in enumerate(batches, 1)}


def test_each_file_holds_as_many_views_as_wanted_in_the_order_of_offsets(made: Made) -> None:
    made.put("cabbage")
    made.batches().take()
    assert made.files() == numbered("cab", "bag")
    made.batches().take()
    made.put("xy")
    made.batches().take()
    made.put("zz", partition=1)
    made.put("zz", partition=1)
    made.batches().take()
    assert made.files() == numbered("cab", "bag", "exy", "zzz")


def test_a_topic_made_anew_is_read_from_its_beginning_and_numbers_go_on(made: Made) -> None:
    made.put("cabb")
    made.batches().take()
    topics.delete(made.kafka, [made.topic])
    topics.create(made.kafka, {made.topic: 2})
    made.put("xyz")
    made.batches().take()
    assert made.files() == numbered("cab", "bxy")


class Killed(BaseException):
    """What nothing catches."""


@pytest.mark.parametrize("after", range(1, 8))
def test_a_process_that_dies_at_any_moment_is_followed_by_one_that_writes_the_same_files(
    made: Made, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    made.put("cab")
    made.put("bagedfz", partition=1)
    replaced = itertools.count()
    replace = Path.replace

    def dying(path: Path, target: Path) -> Path:
        if next(replaced) == after:
            raise Killed
        return replace(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", dying)
        try:
            made.batches().take()
        except Killed:
            assert after < 5
    made.put("xyx")  # which may not come between the views of before
    made.batches().take()
    made.batches().take()
    first = numbered("cab", "bag", "edf")
    assert {name: found for name, found in made.files().items() if name in first} == first
    assert len(made.files()) == 4


def test_a_note_that_is_broken_and_a_folder_that_cannot_be_written_are_said(made: Made) -> None:
    made.put("abc")
    made.path.mkdir()
    (made.path / batches_module.NOTE).write_text("{")
    with pytest.raises(Fatal, match="not what this service writes"):
        made.batches().take()
    (made.path / batches_module.NOTE).unlink()
    made.path.rmdir()
    made.path.write_text("a file")
    with pytest.raises(Halted, match="BATCHES_DIR"):
        made.batches().take()


def test_every_view_is_in_one_file_however_they_come(made: Made) -> None:
    for users, partition in (("abcdefg", 0), ("hijk", 1), ("lmnop", 0)):
        made.put(users, partition)
    made.batches(4).take()
    assert sorted(made.files()) == ["1.json", "2.json", "3.json", "4.json"]
    assert sum(one["unique users"] for one in made.files().values()) == 16


def test_what_waits_for_a_window_may_lie_in_s3(own_moto: str, monkeypatch: pytest.MonkeyPatch) -> None:
    boto3.client("s3", endpoint_url=own_moto).create_bucket(Bucket="checkpoints")
    monkeypatch.setenv("AWS_ENDPOINT_URL", own_moto)
    waiting = Waiting("s3a://checkpoints/ours/")
    assert waiting.before(0) == State()
    first, last = (waiting.segments.write(0, f"{number}", Views().parts()) for number in range(2))
    waiting.leave(State(), State(0, 1, (first,)))
    for batch in (1, 2):
        waiting.leave(waiting.before(batch), State(batch, 1, (last,)))
    waiting.tidy()
    assert waiting.before(3) == State(2, 1, (last,))
    assert waiting.segments.read([last], 0).num_rows == 0
    with pytest.raises(Fatal, match="is gone"):
        waiting.segments.read([first], 0)
