"""The commands of a service of the analytics, on topics and checkpoints as runs leave them."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from typer.testing import CliRunner

from pipeline.console.command_line import command_line
from pipeline.kafka import letter_box
from pipeline.kafka.client import client_options
from pipeline.kafka.errors import ShutOut
from pipeline.kafka.lane import Row
from pipeline.kafka.lanes import Lanes, Overtaken, Written
from pipeline.kafka.letter_box import LetterBox
from pipeline.kafka.letters import letters_of
from pipeline.kafka.topics import Topics
from pipeline.settings.analytics import AnalyticsSettings
from pipeline.structured.operations.commands import commands
from pipeline.structured.outputs import KEEP, Output
from pipeline.structured.service import Flow, Service
from tests import topics
from tests.kafka import admin, broker
from tests.servers import ROOT

_numbers = itertools.count()


class Desk:
    """A service that reads `topic`, whose letters and checkpoint are made by hand."""

    def __init__(self, kafka: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.kafka, self.folder = kafka, folder
        self.topic = f"desk-{os.getpid()}-{next(_numbers)}"
        topics.create(kafka, {self.topic: 2, letters_of(self.topic): 1})
        for name, value in {"KAFKA_BROKERS": kafka, "CHECKPOINT_DIR": str(folder)}.items():
            monkeypatch.setenv(name, value)
        self.settings = AnalyticsSettings.read(os.environ)
        self.client = client_options(self.settings)
        service = Service(self.topic, [Flow("copy", [self.topic], lambda _: None)])
        self._app = command_line([commands(self.topic, "A desk.", AnalyticsSettings, lambda _: service)])

    def run(self, *arguments: str) -> tuple[int, Any]:
        """The exit code and the JSON document of a command."""
        ended = CliRunner().invoke(self._app, [self.topic, *arguments, "--json"])
        assert ended.exception is None or isinstance(ended.exception, SystemExit), ended.exception
        return ended.exit_code, json.loads(ended.stdout) if ended.stdout else ended.stderr

    def letter(self, number: int, reason: str) -> None:
        headers = [("reason", reason.encode()), ("topic", self.topic.encode()), ("partition", b"0")]
        headers += [("offset", b"%d" % number), ("timestamp", b"1600000000000")]
        topics.produce(self.kafka, letters_of(self.topic), [topics.Sent(b"v%d" % number, b"k", headers=headers)])

    def values(self) -> list[bytes]:
        return sorted(record.value or b"" for record in topics.read(self.kafka, self.topic))

    def checkpoint(self, through: Iterable[int]) -> None:
        """As a batch leaves it that ended before these offsets."""
        spark = self.folder / self.topic / "copy" / "spark"
        for name in ("offsets", "commits"):
            (spark / name).mkdir(parents=True)
            (spark / name / "0").write_text('v1\n{"batchWatermarkMs":0}\n')
        places = {str(partition): offset for partition, offset in enumerate(through)}
        with (spark / "offsets" / "0").open("a") as file:
            file.write(json.dumps({self.topic: places}))
        identity = Topics(self.client).describe([self.topic])[self.topic].identity
        (spark.parent / "topics.json").write_text(json.dumps({self.topic: identity}))


@pytest.fixture
def desk(kafka: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(kafka, tmp_path, monkeypatch)


def test_letters_are_counted_and_listed_by_reason(desk: Desk) -> None:
    for number, reason in enumerate(("negative", "no_value", "negative")):
        desk.letter(number, reason)
    assert desk.run("letters") == (0, {"negative": 2, "no_value": 1})
    code, listed = desk.run("letters", "--list", "--reason", "no_value")
    assert code == 0
    assert [(one["topic"], one["partition"], one["offset"], one["reason"]) for one in listed] == [
        (desk.topic, 0, 1, "no_value")
    ]


def test_letters_are_sent_back_once_by_reason_or_all(desk: Desk) -> None:
    for number, reason in enumerate(("negative", "no_value", "negative")):
        desk.letter(number, reason)
    assert desk.run("letters", "--resend", "--reason", "negative", "--yes") == (0, {"sent back": 2})
    assert desk.run("letters", "--resend", "--reason", "negative", "--yes") == (0, {"sent back": 0})
    assert desk.values() == [b"v0", b"v2"]
    desk.letter(3, "negative")
    assert desk.run("letters", "--resend", "--yes") == (0, {"sent back": 2})
    assert desk.values() == [b"v0", b"v1", b"v2", b"v3"]
    assert desk.run("letters") == (0, {})


def test_nothing_is_sent_back_unasked(desk: Desk) -> None:
    desk.letter(0, "negative")
    code, _ = desk.run("letters", "--resend")
    assert code == 1
    assert desk.values() == []


def test_a_resend_that_dies_between_two_transactions_goes_on_where_it_was(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(letter_box, "AT_ONCE", 2)
    for number in range(5):
        desk.letter(number, "negative")
    box = LetterBox(desk.topic, desk.client, Topics(desk.client), [letters_of(desk.topic)])
    assert next(box.resend(None)) == 2
    assert sum(box.resend(None)) == 3
    assert desk.values() == [b"v0", b"v1", b"v2", b"v3", b"v4"]


def test_status_tells_the_lag_in_records_and_seconds(desk: Desk) -> None:
    topics.produce(desk.kafka, desk.topic, [topics.Sent(b"%d" % number, b"k", 0) for number in range(10)])
    desk.checkpoint([7, 0])
    code, found = desk.run("status")
    assert code == 0
    assert found["batches"] == {"copy": 0}
    worst, other = found["lag"]
    assert (worst["partition"], worst["records"]) == (0, 3)
    assert 0 <= worst["seconds"] < 60
    assert other == {"topic": desk.topic, "partition": 1, "records": 0, "seconds": 0.0}


def test_a_loss_is_told_and_accepted(desk: Desk) -> None:
    topics.produce(desk.kafka, desk.topic, [topics.Sent(b"%d" % number, b"k", 0) for number in range(10)])
    desk.checkpoint([2, 0])
    client = admin(desk.kafka)
    for done in client.delete_records([TopicPartition(desk.topic, 0, 6)]).values():
        done.result()
    told = f"topic {desk.topic} has dropped 4 records before they were read, in partitions 0"
    code, found = desk.run("status")
    assert (code, found["wrong"]) == (1, [told])
    code, checked = desk.run("check")
    assert code == 1
    assert "FAIL" in {one["state"] for one in checked if one["what"] == f"topic {desk.topic}"}
    assert desk.run("accept-loss")[0] == 1
    assert not (desk.folder / desk.topic / "copy" / "accepted.json").exists()
    assert desk.run("accept-loss", "--yes") == (0, [told])
    assert (desk.folder / desk.topic / "copy" / "accepted.json").exists()


def test_check_finds_what_is_missing_and_what_is_too_small(desk: Desk) -> None:
    code, found = desk.run("check")
    assert code == 0
    assert "takes 1048588 bytes" in " ".join(one["text"] for one in found if one["state"] == "warn")
    topics.delete(desk.kafka, [desk.topic])
    code, found = desk.run("check")
    assert code == 1
    assert [one["text"] for one in found if one["state"] == "FAIL"] == ["does not exist: the service waits for it"]


# --- lanes


def rows(topic: str, first: int, end: int) -> list[Row]:
    return [Row(topic, b"k", b"%d" % number, topic, 0, number) for number in range(first, end)]


def lanes(desk: Desk, run: str, number: int, through: int, ours: Iterable[int] = (), identity: str = "A") -> Lanes:
    return Lanes(
        f"{desk.topic}.out",
        desk.client,
        run,
        number,
        frozenset(ours),
        {desk.topic: identity},
        {(desk.topic, 0): through},
        False,
        False,
    )


def test_of_two_drivers_the_one_that_was_overtaken_ends_and_nothing_is_written_twice(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    processes: dict[str, dict[str, Any]] = {"old": {}, "new": {}}

    def write(run: str, number: int, first: int, end: int, ours: Iterable[int] = ()) -> Written:
        monkeypatch.setattr("pipeline.kafka.lanes._held", processes[run])
        return lanes(desk, run, number, end, ours).write(0, rows(desk.topic, first, end))

    assert write("old", 1, 0, 10).rows == {"": 10}
    assert write("new", 1, 5, 15) == Written(0, {"": 5}, 5, committed=True)
    with pytest.raises(ShutOut):
        write("old", 2, 10, 20, [0])
    with pytest.raises(Overtaken, match="has taken over"):
        write("old", 3, 10, 20, [0])
    with pytest.raises(ShutOut):  # by the old one's last try
        write("new", 2, 15, 20, [0])
    assert write("new", 3, 15, 20, [0]).rows == {"": 5}
    assert sorted(desk.values(), key=int) == [b"%d" % number for number in range(20)]


def test_marks_of_a_topic_that_was_made_anew_count_for_nothing(desk: Desk) -> None:
    lanes(desk, "one", 1, 10).write(0, rows(desk.topic, 0, 10))
    written = lanes(desk, "two", 1, 3, identity="B").write(0, rows(desk.topic, 0, 3))
    assert (written.rows, written.repeated) == ({"": 3}, 0)


def test_what_a_dead_producer_left_open_is_ended_and_written_once(desk: Desk) -> None:
    dead = Producer({**desk.client, "transactional.id": f"{desk.topic}.out.0-of-4"})
    dead.init_transactions(30)
    dead.begin_transaction()
    dead.produce(desk.topic, b"0", b"k")
    dead.flush(30)
    lanes(desk, "one", 1, 5).write(0, rows(desk.topic, 0, 5))
    assert desk.values() == [b"%d" % number for number in range(5)]


def test_marks_are_committed_again_also_where_nothing_comes(desk: Desk) -> None:
    now = [0.0]
    output = Output(f"{desk.topic}.kept", desk.client, "one", lambda: now[0])
    first = output.lanes({desk.topic: "A"}, {(desk.topic, 0): 10}, 1)
    output.wrote(first, [first.write(0, rows(desk.topic, 0, 10))])
    forget(desk, f"{desk.topic}.kept.0-of-1")
    output.keep_marks()
    assert marks(desk, f"{desk.topic}.kept.0-of-1") == -1001
    now[0] = KEEP + 1
    output.keep_marks()
    assert marks(desk, f"{desk.topic}.kept.0-of-1") == 10


def forget(desk: Desk, group: str) -> None:
    """As the brokers do with a group that has had no members for long."""
    client = admin(desk.kafka)
    for done in client.delete_consumer_groups([group]).values():
        done.result()


def marks(desk: Desk, group: str) -> int:
    with closing(Consumer({**desk.client, "group.id": group})) as consumer:
        return int(consumer.committed([TopicPartition(desk.topic, 0)], 30)[0].offset)


def test_the_first_groups_of_new_brokers_are_waited_for(tmp_path: Path) -> None:
    """Asking an administrator for them ends the process with SIGSEGV."""
    code = (
        "import sys\n"
        "from pipeline.kafka.lane import Row\n"
        "from pipeline.kafka.lanes import Lanes\n"
        "client = {'bootstrap.servers': sys.argv[1], 'log_level': 2}\n"
        "lanes = Lanes('fresh', client, 'run', 1, frozenset(), {'new': ''}, {('new', 0): 1}, False, False)\n"
        "print(lanes.write(0, [Row('new', b'k', b'v', 'new', 0, 0)]).rows)"
    )
    with broker(tmp_path / "kafka") as own:
        topics.create(own.bootstrap, {"new": 1})
        command = [sys.executable, "-c", code, own.bootstrap]
        said = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert (said.returncode, said.stdout) == (0, "{'': 1}\n"), said.stderr


def test_a_message_too_large_for_the_topic_halts_and_says_what_to_do(desk: Desk) -> None:
    large = [Row(desk.topic, b"k", os.urandom(2 << 20), desk.topic, 0, 0)]
    with pytest.raises(Exception, match=r"raise its max\.message\.bytes"):
        lanes(desk, "one", 1, 1).write(0, large)
    assert lanes(desk, "one", 2, 1).write(0, rows(desk.topic, 0, 1)).rows == {"": 1}
