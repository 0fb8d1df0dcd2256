"""Reading while Kinesis throttles, breaks off, lets iterators expire, sends nothing for long, or has trimmed."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from pipeline.aws import Aws
from pipeline.kinesis.reader import KinesisReader
from pipeline.messages.records import START, Position
from pipeline.runtime.errors import Halted, Transient, Trimmed
from tests.contract.misbehaving import Forward, Message, Misbehaving, misbehaving
from tests.contract.streams import TestStream, data_of, wanted
from tests.processes import free_port

DAY = 24 * 3600 * 1000


@pytest.fixture(scope="module")
def between(moto: str) -> Iterator[Misbehaving]:
    with misbehaving(moto) as server:
        yield server


@pytest.fixture
def proxy(between: Misbehaving) -> Misbehaving:
    between.behave()
    return between


@pytest.fixture
def stream(proxy: Misbehaving) -> TestStream:
    return TestStream(proxy.url)


HEALING: list[str | int] = [
    "ProvisionedThroughputExceededException",
    "LimitExceededException",
    "KMSThrottlingException",
    "KMSInvalidStateException",
    "KMSDisabledException",
    "InternalFailureException",
    "ThrottlingException",
    "ServiceUnavailable",
    "ExpiredIteratorException",
    500,
    503,
    "",
]


@pytest.mark.parametrize("error", HEALING)
def test_an_error_that_heals_loses_and_repeats_nothing(
    stream: TestStream, proxy: Misbehaving, error: str | int
) -> None:
    stream.put(b"one", b"two", b"three")
    proxy.errors = {"GetRecords": [None, error, error, error, error], "GetShardIterator": [error]}
    if error == "ExpiredIteratorException":
        proxy.errors = {"GetRecords": [error, None, error, error]}
    assert [data_of(stream.read(max_records=2)) for _ in range(2)] == [[b"one", b"two"]] * 2
    assert not any(proxy.errors.values())


def pages_of_one(operation: str, request: Message, forward: Forward) -> Message:
    """As Kinesis answers where records are large: fewer than asked for, and more behind."""
    if operation != "GetRecords":
        return forward(request)
    answer = forward({**request, "Limit": 1})
    return {**answer, "MillisBehindLatest": len(answer["Records"])}


def test_a_cap_on_bytes_stops_the_asking(stream: TestStream, proxy: Misbehaving) -> None:
    stream.put(bytes(60), bytes(60), bytes(60))
    proxy.around = pages_of_one
    extent = stream.read(max_bytes=100)
    assert (len(extent.records), extent.at_tip) == (2, False)


def test_the_record_at_the_position_takes_nothing_from_the_cap(stream: TestStream, proxy: Misbehaving) -> None:
    first, _, _ = stream.put(b"one", b"two", b"three")
    assert data_of(stream.read(Position(int(first)), max_records=1)) == [b"two"]
    assert proxy.calls.count("GetRecords") == 1


def test_a_full_answer_is_not_the_tip_though_it_is_no_millisecond_behind(
    stream: TestStream, proxy: Misbehaving
) -> None:
    stream.put(b"one", b"two", b"three")
    proxy.around = lambda operation, request, forward: (
        {**forward(request), "MillisBehindLatest": 0} if operation == "GetRecords" else forward(request)
    )
    assert not stream.read(max_records=2).at_tip
    assert stream.read(max_records=4).at_tip


def test_an_expired_iterator_is_made_again_from_what_was_read_last(stream: TestStream, proxy: Misbehaving) -> None:
    stream.put(b"one", b"two", b"three")
    proxy.around = pages_of_one
    proxy.errors = {"GetRecords": [None, "ExpiredIteratorException", None, None, "ExpiredIteratorException"]}
    assert data_of(stream.read()) == [b"one", b"two", b"three"]
    assert proxy.calls.count("GetShardIterator") == 3


def test_records_in_hand_do_not_wait_for_a_throttled_stream(stream: TestStream, proxy: Misbehaving) -> None:
    (first, _) = stream.put(b"one", b"two")
    proxy.around = pages_of_one
    proxy.errors, proxy.lasting = {"GetRecords": [None, "ProvisionedThroughputExceededException"]}, True
    extent = stream.read()
    assert (data_of(extent), extent.through, extent.at_tip) == ([b"one"], Position(int(first)), False)
    assert proxy.calls.count("GetRecords") == 2, "it was asked again before what was there was applied"


@pytest.mark.parametrize("operation", ["GetShardIterator", "GetRecords"])
def test_a_stream_that_is_throttled_beyond_the_deadline_is_transient(
    stream: TestStream, proxy: Misbehaving, operation: str
) -> None:
    proxy.errors, proxy.lasting = {operation: ["ProvisionedThroughputExceededException"]}, True
    with pytest.raises(Transient, match=r"ProvisionedThroughputExceededException for 0\.1 s"):
        KinesisReader(stream.aws, stream.name, patience=0.1).read(wanted())


def test_a_stream_that_is_away_beyond_the_deadline_is_transient() -> None:
    nowhere = Aws("us-east-1", endpoints=(("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}"),))
    with pytest.raises(Transient, match="EndpointConnectionError"):
        KinesisReader(nowhere, "any", patience=0.1).read(wanted())


@pytest.mark.parametrize("error", ["AccessDeniedException", "KMSAccessDeniedException", "NobodyForesawThis"])
def test_an_error_that_does_not_heal_halts_and_names_its_code_alone(
    stream: TestStream, proxy: Misbehaving, error: str
) -> None:
    proxy.errors = {"GetRecords": [error]}
    with pytest.raises(Halted, match=f"^GetRecords of shardId-000000000000: {error}$"):
        stream.read()
    assert proxy.calls.count("GetRecords") == 1


class Sparse:
    """Lets `empties` empty answers come before the records of an iterator, each with an iterator further on."""

    def __init__(self, empties: int) -> None:
        self.empties = empties

    def __call__(self, operation: str, request: Message, forward: Forward) -> Message:
        if operation == "GetShardIterator":
            return {"ShardIterator": "0|" + forward(request)["ShardIterator"]}
        if operation != "GetRecords":
            return forward(request)
        count, _, iterator = str(request["ShardIterator"]).partition("|")
        if int(count) == self.empties:
            answer = forward({**request, "ShardIterator": iterator})
            return {**answer, "NextShardIterator": f"{count}|{answer['NextShardIterator']}"}
        further = f"{int(count) + 1}|{iterator}"
        return {"Records": [], "NextShardIterator": further, "MillisBehindLatest": 5000}


def test_empty_answers_short_of_the_tip_are_read_across(stream: TestStream, proxy: Misbehaving) -> None:
    stream.put(b"one")
    proxy.around = Sparse(30)
    assert data_of(stream.read()) == [b"one"]


@pytest.mark.parametrize("after", [START, Position(1)])
def test_a_read_that_ran_out_of_time_among_empty_answers_goes_on_from_there(
    stream: TestStream, proxy: Misbehaving, after: Position
) -> None:
    stream.put(b"one", b"two")
    proxy.around = Sparse(3)
    hurried = KinesisReader(stream.aws, stream.name, longest=0)
    for _ in range(3):
        extent = hurried.read(wanted(after))
        assert (extent.records, extent.through, extent.at_tip, extent.behind_ms) == ([], START, False, 5000)
    assert data_of(hurried.read(wanted(after))) == ([b"one", b"two"] if after == START else [b"two"])
    assert proxy.calls.count("GetShardIterator") == 1


def test_another_position_does_not_go_on_from_there(stream: TestStream, proxy: Misbehaving) -> None:
    first, _ = stream.put(b"one", b"two")
    proxy.around = Sparse(1)
    hurried = KinesisReader(stream.aws, stream.name, longest=0)
    assert hurried.read(wanted()).records == []
    assert hurried.read(wanted(Position(int(first)))).records == []
    assert data_of(hurried.read(wanted(Position(int(first))))) == [b"two"]


def without_the_first(operation: str, request: Message, forward: Forward) -> Message:
    """As Kinesis answers at a position that it has trimmed: from the trim horizon on, and says nothing of it."""
    answer = forward(request)
    return {**answer, "Records": answer["Records"][1:]} if operation == "GetRecords" else answer


@pytest.mark.parametrize("more", [[], [b"two"]], ids=["nothing left", "others left"])
def test_a_trimmed_position_stops_the_shard_if_records_behind_it_may_be_lost(
    stream: TestStream, proxy: Misbehaving, more: list[bytes]
) -> None:
    (first, *_) = stream.put(b"one", *more)
    proxy.around = without_the_first
    position, now = Position(int(first)), round(time.time() * 1000)
    with pytest.raises(Trimmed, match="no longer holds"):
        stream.read(position, caught_up_at=now - DAY - 60_000, retention_ms=DAY)
    assert data_of(stream.read(position, caught_up_at=now - DAY + 60_000, retention_ms=DAY)) == more
    assert data_of(stream.read(position)) == more


def trimmed_but_not_told(stream: TestStream) -> int:
    """A retention of 48 h as the driver knew it, where it is 24 h since a moment ago."""
    stream.client.increase_stream_retention_period(StreamName=stream.name, RetentionPeriodHours=48)
    stream.client.decrease_stream_retention_period(StreamName=stream.name, RetentionPeriodHours=24)
    return 2 * DAY


def test_a_retention_that_was_shortened_a_moment_ago_hides_no_loss(stream: TestStream, proxy: Misbehaving) -> None:
    (first, *_) = stream.put(b"one", b"two", b"three")
    proxy.around = without_the_first
    left = round(time.time() * 1000) - DAY - DAY // 4
    with pytest.raises(Trimmed, match="no longer holds"):
        stream.read(Position(int(first)), caught_up_at=left, retention_ms=trimmed_but_not_told(stream))


def test_a_retention_that_was_lengthened_a_moment_ago_does_not_bring_back_what_was_trimmed(
    stream: TestStream, proxy: Misbehaving
) -> None:
    (first, *_) = stream.put(b"one", b"two")
    proxy.around = without_the_first
    stream.client.increase_stream_retention_period(StreamName=stream.name, RetentionPeriodHours=48)
    left = round(time.time() * 1000) - DAY - DAY // 4
    with pytest.raises(Trimmed, match="no longer holds"):
        stream.read(Position(int(first)), caught_up_at=left, retention_ms=DAY)


def test_the_stream_is_asked_for_its_retention_only_where_that_can_matter(
    stream: TestStream, proxy: Misbehaving
) -> None:
    (first, *_) = stream.put(b"one")
    proxy.around = without_the_first
    stream.read(Position(int(first)), caught_up_at=round(time.time() * 1000) - DAY + 60_000, retention_ms=DAY)
    assert proxy.calls[-2:] == ["GetShardIterator", "GetRecords"]


@pytest.mark.parametrize("more", [[], [b"one"]], ids=["nothing there", "others there"])
def test_a_shard_of_which_nothing_was_read_yet_stops_after_the_retention_too(
    stream: TestStream, more: list[bytes]
) -> None:
    stream.put(*more)
    now = round(time.time() * 1000)
    with pytest.raises(Trimmed, match="was left for longer than a record is kept"):
        stream.read(caught_up_at=now - DAY - 60_000, retention_ms=DAY)
    assert data_of(stream.read(caught_up_at=now - DAY + 60_000, retention_ms=DAY)) == more
    assert data_of(stream.read()) == more


def test_a_position_that_is_still_there_never_stops_the_shard(stream: TestStream) -> None:
    (first, _) = stream.put(b"one", b"two")
    assert data_of(stream.read(Position(int(first)), caught_up_at=0, retention_ms=DAY)) == [b"two"]


def test_a_position_of_another_stream_is_trimmed(stream: TestStream, proxy: Misbehaving) -> None:
    proxy.errors, proxy.lasting = {"GetShardIterator": ["InvalidArgumentException"]}, True
    with pytest.raises(Trimmed, match="made anew"):
        stream.read(Position(5))
    with pytest.raises(Halted):
        stream.read()
