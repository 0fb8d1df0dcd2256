"""The identity of an event. The golden vectors may never change: a changed identity applies messages twice."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.messages.identity import identity, letter_key
from pipeline.messages.records import Record
from pipeline.runtime.errors import Rejected
from tests.unit.reading import ARRIVED_MS, STREAM, patient, record

HERE = record(b"{}")


def of_id(producer_id: object, type_: str = "transaction") -> bytes:
    return identity(STREAM, HERE, type_, producer_id)


def of_position(stream: str = STREAM, **changes: object) -> bytes:
    return identity(stream, msgspec.structs.replace(HERE, **changes), "transaction", None)


@pytest.mark.parametrize(
    ("type_", "producer_id", "golden"),
    [
        ("transaction", "payment-2021-10-0001", "a02a5a54c8344e52dac4793ed6a9a017"),
        ("transaction", 7, "ef6c8ba4d196e742292dcb7b691e5830"),
        ("card_transaction", 7, "bfa1ed03e6b9877df39aca00b645876c"),
        ("loan_payment", "é😀", "91176db41b03a362e8e8537b331d2cf3"),
        ("transaction", None, "019077fd307bc2f8e4db32b8d4336169"),
        (None, 7, "019077fd307bc2f8e4db32b8d4336169"),
    ],
)
def test_identities_stay_what_they_were(type_: str | None, producer_id: object, golden: str) -> None:
    assert identity(STREAM, HERE, type_, producer_id).hex() == golden


def test_sub_records_have_identities_of_their_own_that_stay() -> None:
    assert identity(STREAM, record(b"{}", sub_sequence=3), None, None).hex() == "019077fd307b8dcc97829d91ee81358f"


@pytest.mark.parametrize("same", [7, Decimal("7.0"), Decimal("7"), Decimal("0.7E+1"), "7"])
def test_an_integer_and_its_text_are_one_id(same: object) -> None:
    assert of_id(same) == of_id(7)


@pytest.mark.parametrize("other", [" 7", "07", "7.0", "+7", "7 ", "-7", -7, 70, "٧"])
def test_any_other_text_is_another_id(other: object) -> None:
    assert of_id(other) != of_id(7)


def test_large_integers_are_one_with_their_text() -> None:
    assert of_id(Decimal("1e30")) == of_id(10**30) == of_id("1" + "0" * 30)
    assert of_id(Decimal("-0.0")) == of_id(Decimal("0e400")) == of_id(0) == of_id("0")
    assert of_id(10**128 - 1) == of_id("9" * 128)


def test_ids_are_unique_within_their_type_only() -> None:
    assert of_id("a", "stock") != of_id("a", "transaction")
    assert of_id("a:b", "x") != of_id("b", "x:a")


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "x" * 129,
        True,
        False,
        [],
        ["7"],
        {},
        Decimal("7.5"),
        Decimal("NaN"),
        Decimal("Infinity"),
        Decimal("1e-999999999"),
        10**128,
        10**4000,
        Decimal("1e128"),
        Decimal("1e999999999"),
        "\ud800",
    ],
)
def test_anything_else_is_no_id(bad: object) -> None:
    with pytest.raises(Rejected, match="bad_id: id"):
        of_id(bad)


def test_a_text_of_128_characters_is_an_id_whatever_their_bytes() -> None:
    assert len(of_id("😀" * 128)) == 16


def test_an_id_counts_wherever_its_message_lies() -> None:
    elsewhere = Record("shardId-000000000009", "1", 5, 1, b"other")
    assert identity("other", elsewhere, "transaction", "a") == of_id("a")


def test_a_position_begins_with_its_arrival() -> None:
    assert of_position()[:6] == ARRIVED_MS.to_bytes(6, "big")
    assert of_position(arrived_ms=ARRIVED_MS + 1) > of_position()


def test_every_part_of_a_position_counts() -> None:
    identities = {
        of_position(),
        of_position("byte-henry2"),
        of_position(shard="shardId-000000000001"),
        of_position(sequence="1"),
        of_position(sub_sequence=1),
        of_position(sequence="12", sub_sequence=3),
        of_position(sequence="1", sub_sequence=23),
        of_position("a:1:b", shard="c"),
        of_position("a", shard="b:1:c"),
    }
    assert len(identities) == 9
    assert of_position(data=b"other bytes", key=5) == of_position()


@patient
@given(st.binary(min_size=16, max_size=16))
def test_a_letter_key_is_a_number_of_at_most_38_digits(event_id: bytes) -> None:
    assert 0 <= letter_key(event_id) < 10**38


def test_letter_keys_stay_what_they_were() -> None:
    assert letter_key(bytes(range(16))) == 5233100606242806050955395731361295
    assert letter_key(b"\xff" * 16) == (2**128 - 1) % 10**38
