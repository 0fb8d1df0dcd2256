"""Bytes → fields."""

from __future__ import annotations

import json
import time
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.messages.decoding import decode
from pipeline.messages.fields import whole
from pipeline.runtime.errors import Rejected
from tests.unit.reading import JSON_OBJECT, patient


def reason(data: bytes) -> str:
    with pytest.raises(Rejected) as rejected:
        decode(data)
    return rejected.value.reason


@pytest.mark.parametrize("data", [b"", b" ", b"\r\n\t", b"\xef\xbb\xbf"])
def test_a_record_of_nothing_is_empty(data: bytes) -> None:
    assert reason(data) == "empty"


@pytest.mark.parametrize(
    "data",
    [b"\xff", b'{"memo": "\xff"}', b'{"memo": "\xed\xa0\x80"}', b'{"memo": "\xc0\x80"}', '{"a": 1}'.encode("utf-16")],
)
def test_other_encodings_are_refused(data: bytes) -> None:
    assert reason(data) == "not_utf8"


@pytest.mark.parametrize(
    "data",
    [
        b"x",
        b"\x00",
        b"{",
        b'{"a": 1',
        b'{"a": 1} trailing',
        b'{"a": 01}',
        b'{"a": 1.}',
        b"{'a': 1}",
        b'{"a": "\x00"}',
        b'{"a": nan}',
        b'{"a": "\\x"}',
        '{"a": 1}'.encode("utf-16-le"),
        b"\xef\xbb\xbf\xef\xbb\xbf{}",
    ],
)
def test_what_is_no_json_is_refused(data: bytes) -> None:
    assert reason(data) == "not_json"


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'{"type": "transaction", "a": ' + b"["])
def test_a_hundred_thousand_open_brackets_are_refused(opening: bytes) -> None:
    assert reason(opening * 100_000) == "not_json"


def test_a_hundred_thousand_matched_brackets_are_refused() -> None:
    assert reason(b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}") == "not_json"


@pytest.mark.parametrize("data", [b"[]", b'"text"', b"7", b"null", b"true", b"NaN", b"[NaN]", b"1e5", b"9" * 10_000])
def test_what_is_no_object_is_refused(data: bytes) -> None:
    assert reason(data) == "not_an_object"


def test_a_byte_order_mark_is_skipped() -> None:
    assert decode(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


@pytest.mark.parametrize("data", [b'{"a": 1, "a": 2}', b'{"a": 1, "\\u0061": 2}', b'{"a": NaN, "a": 2}'])
def test_of_a_repeated_key_the_last_counts(data: bytes) -> None:
    assert decode(data) == {"a": 2}


def test_fractions_are_read_exactly_as_written() -> None:
    fields = decode(b'{"a": 1234.56789012345678901234567890, "b": 7.0, "c": 1e400}')
    assert (
        str(fields) == "{'a': Decimal('1234.56789012345678901234567890'), 'b': Decimal('7.0'), 'c': Decimal('1E+400')}"
    )


@pytest.mark.parametrize(("literal", "kind"), [(b"NaN", "NaN"), (b"Infinity", "Infinity"), (b"-Infinity", "-Infinity")])
def test_bare_constants_of_python_producers_are_read_beside_exact_fractions(literal: bytes, kind: str) -> None:
    fields = decode(b'{"a": ' + literal + b', "b": 0.10, "c": 3}')
    assert repr(fields) == f"{{'a': Decimal('{kind}'), 'b': Decimal('0.10'), 'c': 3}}"


def test_integers_of_any_length_are_numbers() -> None:
    digits = "9" * 10_000
    assert decode(f'{{"a": {digits}}}'.encode()) == {"a": Decimal(digits)}
    assert decode(b'{"a": 18446744073709551616}') == {"a": 2**64}


def test_an_exponent_beyond_all_bounds_saturates() -> None:
    fields = decode(b'{"a": 1e9999999999999999999999, "b": -1e9999999999999999999999, "c": 0e-9999999999999999999999}')
    assert fields == {"a": Decimal("Infinity"), "b": Decimal("-Infinity"), "c": 0}
    tiny = decode(b'{"n": 1e-9999999999999999999999}')
    assert 0 < Decimal(str(tiny["n"])) < Decimal("1e-999999999")
    with pytest.raises(Rejected, match="wrong_type"):
        whole(tiny, "n")


def test_nul_and_lone_surrogates_written_as_escapes_are_text() -> None:
    assert decode(b'{"a": "x\\u0000y", "b": "\\ud800"}') == {"a": "x\x00y", "b": "\ud800"}


@pytest.mark.parametrize(
    "data",
    [
        b'{"memo": "' + b"x" * 2**20 + b'"}',
        b'{"memo": "' + b"\\u00e9" * (10 * 2**20 // 6) + b'"}',
        b'{"n": NaN, "memo": "' + b"x" * 10 * 2**20 + b'"}',
        b'{"n": ' + b"9" * 10 * 2**20 + b"}",
        b'{"n": 0.' + b"9" * 10 * 2**20 + b"}",
        b'{"n": 1e999999999}',
        b'{"n": 1e-999999999999999999}',
    ],
    ids=["1 MiB", "10 MiB of escapes", "10 MiB beside NaN", "10 MiB integer", "10 MiB fraction", "huge", "tiny"],
)
def test_no_record_takes_more_than_a_moment(data: bytes) -> None:
    before = time.process_time()
    assert decode(data)
    assert time.process_time() - before < 3


@patient
@given(JSON_OBJECT, st.booleans())
def test_both_decoders_agree_with_the_standard_one(fields: dict[str, object], ascii_only: bool) -> None:
    text = json.dumps(fields, ensure_ascii=ascii_only)
    standard = json.loads(text, parse_float=Decimal, parse_constant=Decimal)
    assert repr(decode(text.encode("utf-8", "surrogatepass"))) == repr(standard)


@patient
@given(st.binary() | st.text().map(str.encode))
def test_any_bytes_are_fields_or_rejected(data: bytes) -> None:
    try:
        assert isinstance(decode(data), dict)
    except Rejected as rejected:
        assert rejected.reason in {"empty", "not_utf8", "not_json", "not_an_object"}
