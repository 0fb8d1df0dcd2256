"""Records → partitions, events, letters, skipped."""

from __future__ import annotations

import json
import pickle
import time
from decimal import Decimal
from hashlib import sha256
from typing import Any
from zlib import crc32

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.messages.identity import identity
from pipeline.messages.records import END, START, Event, Extent, Letter, Position, Record, Skipped, unblock
from pipeline.runtime.errors import Rejected
from tests.unit.reading import (
    JSON,
    JSON_OBJECT,
    ROUTER,
    SEQUENCE,
    SHARD,
    STREAM,
    TYPES,
    error,
    good,
    interpret,
    message,
    patient,
    record,
    understood,
)

UNREADABLE = [
    b"",
    b"x",
    b"\xff",
    b"\x00",
    b"\xef\xbb\xbf",
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b"[]",
    b'"text"',
    b"7",
    b"null",
    b'{"type": "transaction"',
    b"NaN",
]


def letter_of(data: bytes, flaw: str | None = None) -> Letter:
    outcome = ROUTER.interpret(record(data, flaw=flaw))
    assert isinstance(outcome, Letter), outcome
    return outcome


def event_of(data: bytes) -> Event[Any]:
    outcome = interpret(data)
    assert isinstance(outcome, Event), outcome
    return outcome


def by_position(at: Record) -> bytes:
    return identity(STREAM, at, None, None)


@pytest.mark.parametrize("type_", TYPES)
def test_a_good_message_becomes_an_event_of_its_type(type_: str) -> None:
    sent = record(message(type_, id='"mine"'))
    event = ROUTER.interpret(sent)
    assert isinstance(event, Event)
    assert (event.type, event.record, event.identity) == (type_, sent, identity(STREAM, sent, type_, "mine"))


def test_without_an_id_of_its_own_an_event_is_known_by_its_position() -> None:
    for literal in ("", "null"):
        assert event_of(message("transaction", id=literal)).identity == by_position(record(b""))


@pytest.mark.parametrize("data", UNREADABLE, ids=lambda data: repr(data[:12]))
def test_what_cannot_be_read_is_kept_as_position_length_and_hash(data: bytes) -> None:
    letter = letter_of(data)
    assert letter == Letter(
        identity=by_position(record(data)),
        record=record(b""),
        type=None,
        reason=letter.reason,
        error=letter.reason,
        payload={},
        size=len(data),
        sha256=sha256(data).hexdigest(),
    )


@pytest.mark.parametrize(
    ("literal", "expected"),
    [
        ("", "missing_type: type"),
        ("null", "missing_type: type"),
        ('""', "unknown_type: type"),
        ('"Transaction"', "unknown_type: type"),
        ('"transaction "', "unknown_type: type"),
        ('"refund"', "unknown_type: type"),
        ('["transaction"]', "unknown_type: type"),
        ("{}", "unknown_type: type"),
        ("1", "unknown_type: type"),
        ("true", "unknown_type: type"),
        ("NaN", "unknown_type: type"),
        ('"\\ud800"', "unknown_type: type"),
    ],
)
def test_a_message_of_no_known_type_is_a_letter_whatever_its_status(literal: str, expected: str) -> None:
    for status in ("0", "1", "null"):
        letter = letter_of(message("transaction", type=literal, status=status, id="7"))
        assert (letter.error, letter.type, letter.payload) == (expected, None, {})
        assert letter.identity == by_position(record(b""))


def test_a_flawed_record_is_a_letter_before_its_data_is_looked_at() -> None:
    letter = letter_of(message("transaction", id="7"), flaw="outside_hash_range")
    assert (letter.error, letter.type, letter.payload) == ("outside_hash_range", None, {})
    assert letter.identity == by_position(record(b""))
    assert letter.record == record(b"", flaw="outside_hash_range")


@pytest.mark.parametrize("type_", TYPES)
@pytest.mark.parametrize("literal", ["7.5", "true", "[]", "{}", '""', f'"{"x" * 129}"', "1e400", "NaN", '"\\ud800"'])
def test_a_bad_id_is_a_letter_known_by_its_position(type_: str, literal: str) -> None:
    letter = letter_of(message(type_, id=literal))
    assert (letter.error, letter.type, letter.identity) == ("bad_id: id", type_, by_position(record(b"")))


@pytest.mark.parametrize("type_", TYPES)
def test_a_letter_has_the_identity_that_its_row_would_have(type_: str) -> None:
    for ruined in (
        message(type_, id="7", status="null"),
        message(type_, id="7.0", amount="[]", time_stamp="[]", price="[]"),
    ):
        assert letter_of(ruined).identity == event_of(message(type_, id='"7"')).identity


def test_the_status_comes_before_the_id_and_the_id_before_the_fields() -> None:
    assert interpret(message("transaction", status="1", id="[]", memo="[]")) == Skipped("transaction")
    assert error(message("transaction", status="null", id="[]", memo="[]")) == "missing_field: status"
    assert error(message("transaction", id="[]", memo="[]")) == "bad_id: id"


def test_of_a_repeated_key_the_last_counts() -> None:
    sent = message("transaction")[:-1]
    assert understood(sent + b', "origin_accounts_id": 7, "memo": "last"}').origin_account == 7
    assert interpret(sent + b', "status": 1}') == Skipped("transaction")
    assert error(sent + b', "type": "refund"}') == "unknown_type: type"
    assert error(sent + b', "memo": null}') == "missing_field: memo"
    assert ROUTER.key_of(record(sent + b', "origin_accounts_id": 7}')) == crc32(b"account:7")
    assert ROUTER.key_of(record(sent + b', "origin_accounts_id": 8, "origin_accounts_id": 7, "memo": NaN}')) == crc32(
        b"account:7"
    )


def test_a_byte_order_mark_is_skipped() -> None:
    assert understood(b"\xef\xbb\xbf" + message("stock")) == understood(message("stock"))


def test_ten_mebibytes_of_memo_are_one_letter_in_a_moment() -> None:
    before = time.process_time()
    letter = letter_of(message("transaction", memo='"' + "4111 1111 1111 1234 " * 2**19 + '"'))
    assert time.process_time() - before < 3
    assert letter.error == "text_too_long: memo"
    assert len(str(letter.payload["memo"])) == 256


@pytest.mark.parametrize("type_", TYPES)
def test_an_event_refused_later_becomes_a_letter_with_its_payload(type_: str) -> None:
    stamp = "timestamp" if type_ == "stock" else "time_stamp"
    event = event_of(message(type_, id='"mine"'))
    letter = ROUTER.letter(event, Rejected("no_such_account", "origin_accounts_id"))
    assert (letter.identity, letter.type, letter.record) == (event.identity, type_, record(b""))
    assert (letter.reason, letter.error) == ("no_such_account", "no_such_account: origin_accounts_id")
    read_alike = letter_of(message(type_, id='"mine"', **{stamp: '"soon"'})).payload
    assert letter.payload == read_alike | {stamp: good(type_)[stamp]}
    assert (letter.size, letter.sha256) == (len(event.record.data), sha256(event.record.data).hexdigest())


MARKS = {"pin": "7391846250", "cvc1": "8462507391", "cvc2": "9573918462", "card_num": "4539578763621486"}


def marked(**literals: str) -> bytes:
    return message("card_transaction", **MARKS | literals)


FAILURES = {
    "truncated": marked()[:-1],
    "not utf-8": marked() + b"\xff",
    "a list": b"[" + marked() + b"]",
    "nested": marked(extra="[" * 100_000),
    "no type": marked(type=""),
    "type is a card": marked(type=f'"{MARKS["card_num"]}"'),
    "another type": marked(type='"transaction"'),
    "a loan": marked(type='"loan_payment"', loan_id=MARKS["card_num"], amount=MARKS["card_num"]),
    "a quote": marked(type='"stock"', name=f'"{MARKS["card_num"]}"', ticker=f'"{MARKS["card_num"]}"'),
    "bad status": marked(status=MARKS["card_num"] + ".5"),
    "bad id": marked(id=f'["{MARKS["pin"]}"]'),
    "id is a card, no memo": marked(id=MARKS["card_num"], memo="null"),
    "card is text": marked(card_num=f'"{MARKS["card_num"]}"'),
    "card is too long": marked(card_num=MARKS["card_num"] + "0"),
    "card is negative": marked(card_num="-" + MARKS["card_num"]),
    "merchant is a card": marked(merchant_account_id=MARKS["card_num"]),
    "amount is a card": marked(transfer_value=MARKS["card_num"]),
    "memo is a card, too long": marked(memo=f'"{"x" * 40} {MARKS["card_num"]}"'),
    "memo is a card, bad time": marked(memo='"4539-5787 6362.1486"', time_stamp='"x"'),
    "location is a card": marked(location=f'"{MARKS["card_num"]}"'),
    "time is a card": marked(time_stamp=f'"{MARKS["card_num"]}"'),
    "pin is a list": marked(pin=f"[{MARKS['pin']}]"),
    "pin is a text": marked(pin=f'"{MARKS["pin"]}x"'),
    "cvc1 is an object": marked(cvc1=f'{{"a": {MARKS["cvc1"]}}}'),
    "cvc2 is a text": marked(cvc2=f'" {MARKS["cvc2"]}"'),
    "a secret as a name": marked(**{MARKS["pin"]: "1", "memo": "null"}),
    "lone surrogate": marked(memo=f'"\\ud800{MARKS["card_num"]}"'),
    "pin repeated": marked(memo="null")[:-1] + f', "pin": {MARKS["cvc1"]}}}'.encode(),
}


def assert_nothing_secret(letter: Letter) -> None:
    shown = repr(letter) + msgspec.json.encode(letter).decode() + json.dumps(letter.payload, default=str)
    digits = shown.replace(" ", "").replace("-", "").replace(".", "")
    assert not [name for name, mark in MARKS.items() if mark in digits]


@pytest.mark.parametrize("data", FAILURES.values(), ids=FAILURES)
def test_no_letter_shows_a_secret_or_a_card_number(data: bytes) -> None:
    assert_nothing_secret(letter_of(data))
    assert_nothing_secret(letter_of(data, flaw="outside_hash_range"))


def test_no_letter_of_a_refused_event_shows_a_secret_or_a_card_number() -> None:
    event = event_of(marked())
    assert not [name for name, mark in MARKS.items() if mark in repr(event)]
    assert_nothing_secret(ROUTER.letter(event, Rejected("no_such_account", "merchant_account_id")))


def planted(position: int, junk: object) -> bytes:
    names = list(good("card_transaction"))
    fields = json.loads(marked())
    fields[names[position % len(names)]] = junk
    return json.dumps(fields).encode()


@patient
@given(st.integers(0, 10), JSON)
def test_no_letter_shows_a_secret_whatever_else_is_wrong(position: int, junk: object) -> None:
    outcome = interpret(planted(position, junk))
    if isinstance(outcome, Letter):
        assert_nothing_secret(outcome)


@patient
@given(st.binary() | st.text().map(str.encode) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_have_an_outcome_and_a_key(data: bytes) -> None:
    assert isinstance(interpret(data), Event | Letter | Skipped)
    assert 0 <= ROUTER.key_of(record(data)) == ROUTER.key_of(record(data)) < 2**32


@patient
@given(st.sampled_from(TYPES), JSON_OBJECT, st.data())
def test_any_fields_of_a_known_type_have_an_outcome_and_a_key(
    type_: str, extra: dict[str, object], data: st.DataObject
) -> None:
    names = data.draw(st.sets(st.sampled_from(sorted(good(type_).keys() | {"id"} - {"type"}))))
    junk = {name: json.dumps(data.draw(JSON)) for name in names}
    sent = message(type_, **{json.loads(json.dumps(name)): json.dumps(value) for name, value in extra.items()} | junk)
    outcome = interpret(sent)
    assert isinstance(outcome, Event | Letter | Skipped)
    assert outcome == interpret(sent)
    assert 0 <= ROUTER.key_of(record(sent)) < 2**32
    if isinstance(outcome, Letter):
        msgspec.json.encode(outcome)


@pytest.mark.parametrize(
    ("type_", "name", "key"),
    [
        ("transaction", "origin_accounts_id", b"account:7"),
        ("loan_payment", "account_id", b"account:7"),
        ("card_transaction", "card_num", b"card:7"),
    ],
)
def test_a_key_is_the_hash_of_what_keeps_its_order_wherever_it_lies(type_: str, name: str, key: bytes) -> None:
    for literal in ("7", "7.0", "0.7e1"):
        for broken in ({}, {"memo": "null"}, {"status": "1"}, {"id": "[]"}, {"extra": "NaN"}):
            data = message(type_, **{name: literal} | broken)
            elsewhere = Record("shardId-000000000009", "1", 2, 3, data)
            assert ROUTER.key_of(record(data)) == ROUTER.key_of(elsewhere) == crc32(key)


def test_quotes_of_one_ticker_have_one_key() -> None:
    assert ROUTER.key_of(record(message("stock"))) == crc32(b"ticker:AAPL")


@pytest.mark.parametrize(
    "data", [*UNREADABLE, message("transaction", origin_accounts_id="-7"), message("stock", type="[]")]
)
def test_what_has_no_key_to_read_is_spread_by_its_position(data: bytes) -> None:
    keys = {ROUTER.key_of(Record(SHARD, SEQUENCE, index, 0, data)) for index in range(100)}
    assert len(keys) == 100
    assert len({key % 8 for key in keys}) == 8


def test_keys_stay_what_they_were() -> None:
    assert ROUTER.key_of(record(message("transaction", origin_accounts_id="7"))) == 2494470547
    assert ROUTER.key_of(record(b"")) == 3969662386
    assert ROUTER.key_of(record(message("transaction"), flaw="outside_hash_range")) == ROUTER.key_of(record(b""))


def accounts(*ids: int) -> list[Record]:
    data = [message("transaction", origin_accounts_id=str(id_), memo=f'"{index}"') for index, id_ in enumerate(ids)]
    return [Record(SHARD, str(index), 0, 0, bytes_) for index, bytes_ in enumerate(data)]


def test_an_extent_is_split_into_one_block_for_every_partition() -> None:
    records = [
        *accounts(*range(40), *range(40)),
        record(b"broken"),
        record(message("stock"), flaw="outside_hash_range"),
    ]
    extent = Extent(SHARD, records, Position(int(SEQUENCE), 3), 1500, True)
    blocks = ROUTER.split(extent, 5)
    assert [partition for partition, _ in blocks] == list(range(5))
    assert {block.progress for _, block in blocks} == {blocks[0][1].progress}
    assert blocks[0][1].progress.through == extent.through
    for partition, block in blocks:
        expected = [r for r in records if ROUTER.key_of(r) % 5 == partition]
        assert [(r.sequence, r.data, r.flaw) for r in unblock(block)] == [
            (r.sequence, r.data, r.flaw) for r in expected
        ]
        assert all(r.key == ROUTER.key_of(r) for r in unblock(block))
    assert sum(len(unblock(block)) for _, block in blocks) == len(records)


@pytest.mark.parametrize("through", [START, END, Position(7)])
def test_an_extent_without_records_is_still_a_block_for_every_partition(through: Position) -> None:
    blocks = ROUTER.split(Extent(SHARD, [], through, 0, True), 3)
    assert [(partition, block.progress.through, unblock(block)) for partition, block in blocks] == [
        (partition, through, []) for partition in range(3)
    ]


def test_a_router_travels_to_its_tasks() -> None:
    travelled = pickle.loads(pickle.dumps(ROUTER))
    sent = record(message("card_transaction"))
    assert travelled.key_of(sent) == ROUTER.key_of(sent)
    assert travelled.interpret(sent) == ROUTER.interpret(sent)


def test_an_amount_is_as_exact_as_it_was_written() -> None:
    assert understood(message("transaction", transfer_value="0.00499999999999999999999999999")).transfer_value == 0
    assert understood(message("transaction", transfer_value="1.005")).transfer_value == Decimal("1.01")
