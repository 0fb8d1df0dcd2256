"""The decoder against bytes that AWS' own Python aggregator wrote, hand-made protobuf, and anything at all."""

from __future__ import annotations

import hashlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.kinesis.aggregation import MAGIC, SubRecord, UserRecord, hash_key, pack, unpack

GOLDEN = bytes.fromhex(
    "f3899ac20a02706b0a056f746865721227333430323832333636393230393338343633343633333734363037343331373638323131343535"
    "1a0708001a036f6e651a09080110001a0374776f1a0908001a057468726565cce104138a954cd5e055eba60b2e0376"
)
PACKED = [UserRecord("pk", b"one"), UserRecord("other", b"two", 2**128 - 1), UserRecord("pk", b"three")]
RECORD = b"\x1a\x07\x08\x00\x1a\x03one"
TABLE = b"\x0a\x02pk"

user_records = st.lists(
    st.builds(UserRecord, st.text(max_size=9), st.binary(max_size=300), st.none() | st.integers(0, 2**128 - 1))
)


def sealed(body: bytes) -> bytes:
    return MAGIC + body + hashlib.md5(body).digest()


def test_reads_what_the_aggregator_of_aws_writes() -> None:
    assert unpack(GOLDEN) == [SubRecord(b"one"), SubRecord(b"two"), SubRecord(b"three")]


def test_writes_what_the_aggregator_of_aws_writes() -> None:
    assert pack(PACKED) == GOLDEN


@given(user_records.filter(len))
def test_what_was_packed_is_unpacked_in_order(records: list[UserRecord]) -> None:
    assert unpack(pack(records)) == [SubRecord(record.data) for record in records]


@given(st.binary(max_size=200), st.booleans())
def test_no_bytes_at_all_make_it_raise(data: bytes, sealed_up: bool) -> None:
    found = unpack(sealed(data) if sealed_up else MAGIC + data)
    assert found is None or all(isinstance(part, SubRecord) for part in found)


@given(st.integers(0, len(GOLDEN) - 1), st.integers(1, 255))
def test_one_changed_byte_makes_a_plain_record(at: int, change: int) -> None:
    assert unpack(GOLDEN[:at] + bytes([GOLDEN[at] ^ change]) + GOLDEN[at + 1 :]) is None


@pytest.mark.parametrize(
    "data", [b"", b"{}", MAGIC, GOLDEN[:-1], sealed(b""), b"\x00" + GOLDEN], ids=lambda data: data[:4].hex() or "empty"
)
def test_what_is_no_aggregate_is_a_plain_record(data: bytes) -> None:
    assert unpack(data) is None


def test_an_aggregate_may_hold_no_record() -> None:
    assert unpack(sealed(TABLE)) == []


@pytest.mark.parametrize(
    "unknown",
    [b"\x20\xff\x01", b"\x21" + bytes(8), b"\x25" + bytes(4), b"\x22\x03abc", b"\x23\x28\x01\x2b\x1a\x00\x2c\x24"],
    ids=["varint", "64 bits", "bytes", "32 bits", "nested groups"],
)
def test_unknown_fields_are_skipped(unknown: bytes) -> None:
    inside = b"\x1a" + bytes([7 + len(unknown)]) + unknown + RECORD[2:]
    assert unpack(sealed(unknown + TABLE + inside + unknown)) == [SubRecord(b"one")]


def test_a_known_field_of_another_wire_type_is_skipped() -> None:
    assert unpack(sealed(b"\x18\x05" + TABLE + RECORD)) == [SubRecord(b"one")]


def test_tables_may_stand_behind_the_records() -> None:
    assert unpack(sealed(RECORD + TABLE)) == [SubRecord(b"one")]


@pytest.mark.parametrize(
    "body",
    [
        b"\x1a\x05\x1a\x03one",
        b"\x1a\x02\x08\x00",
        b"\x1a\x7f\x08\x00",
        b"\x1a\x08\x08\x00\x1a\x03one",
        b"\x20" + b"\xff" * 10 + b"\x01",
        b"\x22" + b"\xff" * 9 + b"\x01",
        b"\x00\x00",
        b"\x26",
        b"\x24",
        b"\x23",
        b"\x23\x2c",
        b"\x23" * 101 + b"\x24" * 101,
        b"\x20",
    ],
    ids=[
        "no partition key index",
        "no data",
        "length beyond the end",
        "length beyond by one",
        "varint of eleven bytes",
        "length of 2^64 - 1",
        "field number 0",
        "wire type 6",
        "end of no group",
        "group without end",
        "end of another group",
        "groups too deep",
        "nothing after the tag",
    ],
)
def test_broken_protobuf_is_a_plain_record(body: bytes) -> None:
    assert unpack(sealed(TABLE + RECORD + body)) is None


def test_a_sub_record_outside_the_hash_range_of_the_shard_is_flawed_and_its_neighbours_are_not() -> None:
    only_pk = (hash_key(b"pk"), hash_key(b"pk"))
    assert unpack(GOLDEN, only_pk) == [
        SubRecord(b"one"),
        SubRecord(b"two", "outside_hash_range"),
        SubRecord(b"three"),
    ]


def test_an_explicit_hash_key_outranks_the_partition_key() -> None:
    last = 2**128 - 1
    assert unpack(GOLDEN, (last, last)) == [
        SubRecord(b"one", "outside_hash_range"),
        SubRecord(b"two"),
        SubRecord(b"three", "outside_hash_range"),
    ]


@pytest.mark.parametrize(
    "body",
    [
        TABLE + b"\x1a\x07\x08\x01\x1a\x03one",
        TABLE + b"\x1a\x09\x08\x00\x10\x00\x1a\x03one",
        TABLE + b"\x12\x02-1" + b"\x1a\x09\x08\x00\x10\x00\x1a\x03one",
        TABLE + b"\x12\x28" + b"1" * 40 + b"\x1a\x09\x08\x00\x10\x00\x1a\x03one",
    ],
    ids=["partition key index", "explicit hash key index", "not a number", "too long a number"],
)
def test_a_sub_record_whose_hash_key_nobody_knows_is_flawed_and_the_next_is_not(body: bytes) -> None:
    assert unpack(sealed(body + RECORD)) == [SubRecord(b"one", "unknown_hash_key"), SubRecord(b"one")]


def test_hostile_aggregates_take_linear_time() -> None:
    long_key = b"\x0a\x80\x80\x20" + bytes(2**19)
    shared = long_key + b"\x1a\x04\x08\x00\x1a\x00" * 80_000
    varints = b"\x20" + b"\x80" * 2**20
    started = time.process_time()
    found = unpack(sealed(shared))
    assert found is not None
    assert len(found) == 80_000
    assert unpack(sealed(varints)) is None
    assert time.process_time() - started < 5
