"""KPL aggregates: many user records packed into one Kinesis record.

Format: https://github.com/awslabs/amazon-kinesis-producer/blob/master/aggregation-format.md — four magic bytes, a
protobuf message, its 16-byte MD5:

    AggregatedRecord { 1: repeated string partition_key_table, 2: repeated string explicit_hash_key_table,
                       3: repeated Record }
    Record { 1: required uint64 partition_key_index, 2: optional uint64 explicit_hash_key_index,
             3: required bytes data, 4: repeated Tag tags }

What is no aggregate is decided as the Kinesis Client Library decides it (AggregatorUtil.deaggregate), so that its
sub-sequence numbers and ours are the same: too short, another magic, a wrong MD5 or broken protobuf is a plain record.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

MAGIC = b"\xf3\x89\x9a\xc2"
DIGEST_SIZE = 16
EVERY_HASH = (0, 2**128 - 1)
"""The hash range of the only shard of a stream: nothing lies outside it."""

OUTSIDE_HASH_RANGE = "outside_hash_range"
UNKNOWN_HASH_KEY = "unknown_hash_key"

_VARINT, _FIXED64, _BYTES, _GROUP, _GROUP_END, _FIXED32 = range(6)
_LONGEST_HASH_KEY = 39
_DEEPEST_GROUP = 100

_Field = tuple[int, int, int, int]


class UserRecord(NamedTuple):
    """One record to pack. `explicit_hash_key`: 0 to 2^128 - 1; None: the MD5 of the partition key decides."""

    partition_key: str
    data: bytes
    explicit_hash_key: int | None = None


class SubRecord(NamedTuple):
    """One unpacked record; its sub-sequence number is its index in the list. `flaw`: None, or why it is a dead letter.

    `outside_hash_range`: its hash key belongs to another shard; the KCL drops the whole aggregate then, and a KPL
    producer that notices sends such a record again. `unknown_hash_key`: an index beyond the tables, or a hash key that
    is no number, so nobody can tell its shard; the KCL drops it and all that follow. Either is a fault of this
    sub-record alone: its neighbours are whole (the MD5 says so) and keep their outcome and their index.
    """

    data: bytes
    flaw: str | None = None


class _BrokenError(Exception):
    """The bytes are no protobuf message of the expected kind."""


def hash_key(partition_key: bytes) -> int:
    """Where Kinesis puts a record without an explicit hash key: MD5 as a 128-bit big-endian integer."""
    return int.from_bytes(_md5(partition_key), "big")


def unpack(data: bytes, hash_range: tuple[int, int] = EVERY_HASH) -> list[SubRecord] | None:
    """The sub-records of an aggregate in order (maybe none), or None where `data` is a plain record. Never raises.

    Time and memory are linear in the size of `data`, whatever it holds.
    """
    if not data.startswith(MAGIC) or len(data) <= len(MAGIC) + DIGEST_SIZE:
        return None
    body = data[len(MAGIC) : -DIGEST_SIZE]
    if _md5(body) != data[-DIGEST_SIZE:]:
        return None
    try:
        return _sub_records(body, hash_range)
    except _BrokenError:
        return None


def pack(records: Iterable[UserRecord]) -> bytes:
    """One aggregate of `records`, in order. Its size is the caller's business (Kinesis takes 1 MiB by default)."""
    partition_keys: dict[str, int] = {}
    hash_keys: dict[int, int] = {}
    packed = bytearray()
    for record in records:
        message = b"\x08" + _varint(partition_keys.setdefault(record.partition_key, len(partition_keys)))
        if record.explicit_hash_key is not None:
            message += b"\x10" + _varint(hash_keys.setdefault(record.explicit_hash_key, len(hash_keys)))
        packed += _bytes_field(3, message + _bytes_field(3, record.data))
    tables = [_bytes_field(1, key.encode()) for key in partition_keys]
    tables += [_bytes_field(2, str(key).encode()) for key in hash_keys]
    body = b"".join(tables) + packed
    return MAGIC + body + _md5(body)


def _md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).digest()


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _bytes_field(number: int, value: bytes) -> bytes:
    return _varint(number << 3 | _BYTES) + _varint(len(value)) + value


def _sub_records(body: bytes, hash_range: tuple[int, int]) -> list[SubRecord]:
    """Two passes: the tables may stand behind the records that point into them."""
    partition_keys: list[int] = []
    hash_keys: list[int | None] = []
    found: list[tuple[int, int | None, bytes]] = []
    for number, kind, start, end in _fields(body, 0, len(body)):
        if kind != _BYTES:
            continue
        if number == 1:
            partition_keys.append(hash_key(body[start:end]))
        elif number == 2:
            hash_keys.append(_explicit(body[start:end]))
        elif number == 3:
            found.append(_record(body, start, end))
    flaw_of = _Flaws(partition_keys, hash_keys, hash_range)
    return [SubRecord(data, flaw_of(partition, explicit)) for partition, explicit, data in found]


def _explicit(text: bytes) -> int | None:
    return int(text) if text.isdigit() and len(text) <= _LONGEST_HASH_KEY else None


class _Flaws(NamedTuple):
    """Judges sub-records by their indexes. Hash keys are made once per table entry, not once per record."""

    partition_keys: list[int]
    hash_keys: list[int | None]
    hash_range: tuple[int, int]

    def __call__(self, partition: int, explicit: int | None) -> str | None:
        if partition >= len(self.partition_keys) or (explicit is not None and explicit >= len(self.hash_keys)):
            return UNKNOWN_HASH_KEY
        key = self.partition_keys[partition] if explicit is None else self.hash_keys[explicit]
        if key is None:
            return UNKNOWN_HASH_KEY
        return None if self.hash_range[0] <= key <= self.hash_range[1] else OUTSIDE_HASH_RANGE


def _record(body: bytes, start: int, end: int) -> tuple[int, int | None, bytes]:
    """(partition key index, explicit hash key index, data); of a repeated field the last counts."""
    partition = explicit = data = None
    for number, kind, first, last in _fields(body, start, end):
        if number == 3 and kind == _BYTES:
            data = body[first:last]
        elif number == 1 and kind == _VARINT:
            partition = first
        elif number == 2 and kind == _VARINT:
            explicit = first
    if partition is None or data is None:
        raise _BrokenError
    return partition, explicit, data


def _fields(body: bytes, at: int, end: int) -> Iterator[_Field]:
    """(number, wire type, value, 0) of each varint, (number, wire type, start, end) of all else; groups are skipped."""
    groups: list[int] = []
    while at < end:
        tag, at = _read_varint(body, at, end)
        number, kind = (tag & 0xFFFFFFFF) >> 3, tag & 7
        start, value_end = 0, 0
        if kind == _VARINT:
            start, at = _read_varint(body, at, end)
        elif kind in (_GROUP, _GROUP_END):
            _nest(groups, number, kind)
        else:
            start, at = _span(body, at, end, kind)
            value_end = at
        if number == 0:
            raise _BrokenError
        if not groups and kind != _GROUP_END:
            yield number, kind, start, value_end
    if groups:
        raise _BrokenError


def _nest(groups: list[int], number: int, kind: int) -> None:
    """Enter or leave a group (a wire type long deprecated, but legal in an unknown field)."""
    if kind == _GROUP:
        groups.append(number)
        if len(groups) > _DEEPEST_GROUP:
            raise _BrokenError
    elif not groups or groups.pop() != number:
        raise _BrokenError


def _span(body: bytes, at: int, end: int, kind: int) -> tuple[int, int]:
    """Where the value at `at` starts and ends."""
    if kind == _BYTES:
        size, at = _read_varint(body, at, end)
    elif kind == _FIXED64:
        size = 8
    elif kind == _FIXED32:
        size = 4
    else:
        raise _BrokenError
    if size > end - at:
        raise _BrokenError
    return at, at + size


def _read_varint(body: bytes, at: int, end: int) -> tuple[int, int]:
    """An unsigned 64-bit number of at most ten bytes, and where it ends."""
    if at < end and body[at] < 0x80:
        return body[at], at + 1
    value = 0
    for shift in range(0, 70, 7):
        if at >= end:
            break
        byte = body[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, at
    raise _BrokenError
