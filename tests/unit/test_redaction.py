"""What a dead letter keeps of a message."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from boto3.dynamodb.types import TypeSerializer
from hypothesis import given
from hypothesis import strategies as st

from pipeline.messages import redaction
from pipeline.messages.decoding import decode
from tests.unit.reading import JSON, MESSAGES, TYPES, good, message, patient

CARD = "4111111111111234"


def payload(type_: str, **literals: str) -> dict[str, Any]:
    kept: dict[str, Any] = MESSAGES[type_].payload(decode(message(type_, **literals)))
    return kept


def test_a_card_payment_keeps_no_secret_and_the_last_four_digits_of_its_card() -> None:
    assert payload("card_transaction", id='"abc"') == {
        "id": "abc",
        "card_num": "…1234",
        "merchant_account_id": 1003,
        "memo": "Groceries",
        "transfer_value": Decimal("42.1000000001"),
        "location": "US",
        "time_stamp": "2021-10-06 11:28:47.209401",
        "status": 0,
    }


@pytest.mark.parametrize("type_", TYPES)
def test_what_was_sent_is_kept_but_for_secrets_and_unknown_fields(type_: str) -> None:
    sent = good(type_)
    kept = payload(type_, extra='"secret"', pin="7391", cvc1="846", cvc2="957")
    assert kept.keys() == sent.keys() - {"type", "pin", "cvc1", "cvc2"}
    assert all(kept[name] == sent[name] for name in kept.keys() - {"card_num"})


@pytest.mark.parametrize("type_", TYPES)
@pytest.mark.parametrize("literal", ["[1]", '{"pin": 1}', "true", "NaN", "Infinity", "1e400", '"\\ud800"', "9" * 39])
def test_values_that_are_not_valid_or_not_storable_are_left_out(type_: str, literal: str) -> None:
    assert payload(type_, **dict.fromkeys(good(type_), literal)) == {}


@pytest.mark.parametrize("type_", TYPES)
def test_null_is_kept_as_null_and_absence_as_absence(type_: str) -> None:
    names = good(type_).keys() - {"type", "pin", "cvc1", "cvc2"}
    assert payload(type_, **dict.fromkeys(good(type_), "null")) == dict.fromkeys(names)
    assert payload(type_, **dict.fromkeys(good(type_), "")) == {}


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (CARD, "************1234"),
        (f"paid with {CARD}, thanks", "paid with ************1234, thanks"),
        ("4111 1111 1111 1234", "**** **** **** 1234"),
        ("4111-1111-1111-1234", "****-****-****-1234"),
        ("4111 - 1111 - 1111 - 1234", "**** - **** - **** - 1234"),
        ("4111.1111.1111.1234", "****.****.****.1234"),
        ("4111\u00a01111\u00a01111\u00a01234", "****\u00a0****\u00a0****\u00a01234"),
        ("4111–1111–1111–1234", "****–****–****–1234"),
        ("٤١١١١١١١١١١١١٢٣٤", "************١٢٣٤"),
        ("123456789012", "********9012"),
        ("9" * 19, "*" * 15 + "9999"),
        ("9" * 30, "*" * 26 + "9999"),
        (f"{CARD} and {CARD}", "************1234 and ************1234"),
        ("12345678901", "12345678901"),
        ("call 555 0123 before 9", "call 555 0123 before 9"),
        ("2021-10-06 11:28:47.209401", "2021-10-06 11:28:47.209401"),
    ],
)
def test_card_numbers_in_texts_lose_all_but_their_last_four(sent: str, kept: str) -> None:
    assert redaction.text(sent) == kept


def test_texts_are_cut_without_uncovering_a_card_number() -> None:
    assert redaction.text("x" * 300) == "x" * 256
    assert redaction.text("x" * 246 + CARD) == "x" * 246 + "*" * 10
    crowded = redaction.text(f"{CARD}, " * 10_000)
    assert crowded is not None and "4111" not in crowded and len(crowded) == 256


@pytest.mark.parametrize("name", ["merchant_account_id", "transfer_value", "status", "id", "memo", "time_stamp"])
@pytest.mark.parametrize("literal", [CARD, f'"{CARD}"', f"{CARD}.0", f"-{CARD}", "4.111111111111234e15"])
def test_a_card_number_in_a_wrong_field_is_not_kept(name: str, literal: str) -> None:
    assert "11111111" not in str(payload("card_transaction", **{name: literal}))


@pytest.mark.parametrize("name", ["price", "high", "low", "volume", "volatility", "percent_change", "ticker", "name"])
@pytest.mark.parametrize("literal", [CARD, f'"{CARD}"', f"{CARD}.0"])
def test_a_card_number_in_a_quote_is_not_kept(name: str, literal: str) -> None:
    assert "11111111" not in str(payload("stock", **{name: literal}))


@pytest.mark.parametrize(
    ("sent", "kept"),
    [(0, 0), (10**11 - 1, 10**11 - 1), (10**11, "…0000"), (Decimal("1234.5678901"), Decimal("1234.5678901"))],
)
def test_numbers_are_kept_as_sent_unless_they_may_be_a_card(sent: object, kept: object) -> None:
    assert redaction.number(sent) == kept


@pytest.mark.parametrize("type_", TYPES)
@patient
@given(value=JSON)
def test_whatever_is_kept_can_be_stored_in_dynamodb(type_: str, value: object) -> None:
    exact = value if not isinstance(value, float) else Decimal(repr(value))
    TypeSerializer().serialize(MESSAGES[type_].payload(dict.fromkeys(good(type_), exact)))


@patient
@given(st.decimals() | st.integers() | st.integers(10**37, 10**39))
def test_whatever_figure_is_kept_is_exact_and_storable(value: Decimal | int) -> None:
    kept = redaction.figure(value)
    assert kept is None or kept == value
    TypeSerializer().serialize(kept)
