"""Fields → messages, for each type; the examples in tests/events say the reason in their name."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from card_transactions.messages import CardPayment
from loans.messages import LoanPayment
from pipeline.messages.records import Event, Skipped
from stocks.messages import Quote
from tests.unit.reading import EVENTS, MESSAGES, TYPES, error, good, interpret, message, understood
from transactions.messages import Transfer

BAD = sorted(path for path in EVENTS.glob("*.*.json"))
MOMENT = datetime(2021, 10, 6, 11, 28, 47)
INJECTION = "'; DROP TABLE accounts; -- \" \\ %s {0} `x`"


@dataclass(frozen=True)
class Kind:
    """The fields of a message type by what they hold."""

    ids: tuple[str, ...]
    amounts: tuple[str, ...]
    texts: tuple[tuple[str, int], ...]
    stamp: str


KINDS = {
    "transaction": Kind(
        ("origin_accounts_id", "destination_accounts_id"), ("transfer_value",), (("memo", 55),), "time_stamp"
    ),
    "card_transaction": Kind(("merchant_account_id",), ("transfer_value",), (("memo", 55),), "time_stamp"),
    "loan_payment": Kind(("loan_id", "account_id"), ("amount",), (), "time_stamp"),
    "stock": Kind((), (), (("name", 256),), "timestamp"),
}
IDS = [(type_, name) for type_, kind in KINDS.items() for name in kind.ids]
AMOUNTS = [(type_, name) for type_, kind in KINDS.items() for name in kind.amounts]
TEXTS = [(type_, name, longest) for type_, kind in KINDS.items() for name, longest in kind.texts]
STAMPS = [(type_, kind.stamp) for type_, kind in KINDS.items()]


def test_the_good_examples_are_understood() -> None:
    assert [understood((EVENTS / f"{type_}.json").read_bytes()) for type_ in TYPES] == [
        Transfer(1001, 1002, "Rent for October", Decimal("1234.57"), MOMENT),
        CardPayment(
            4000123412341234, 1003, "Groceries", Decimal("42.10"), 1234, 321, None, "US", MOMENT
        ),
        LoanPayment(501, 1001, Decimal("250.00"), MOMENT.replace(hour=9)),
        Quote(
            "AAPL",
            "Apple Inc.",
            Decimal("141.503006"),
            Decimal("2340000000000.00"),
            83221119,
            Decimal("142.211998"),
            Decimal("138.270004"),
            MOMENT,
        ),
    ]  # fmt: skip


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_the_bad_examples_are_dead_letters_with_the_reason_in_their_name(path: Path) -> None:
    _, reason, field = path.stem.split(".")
    assert error(path.read_bytes()) == f"{reason}: {field}"


@pytest.mark.parametrize("type_", TYPES)
@pytest.mark.parametrize("literal", ["", "null"])
def test_every_required_field_is_required(type_: str, literal: str) -> None:
    optional = {"pin", "cvc1", "cvc2", "location", "market_cap", "volatility", "percent_change", "id"}
    for name in good(type_).keys() - optional - {"type"}:
        nulls = {"ticker", "price", "volume", "high", "low"}
        assert (
            error(message(type_, **{name: literal}))
            == f"{'illegal_null' if name in nulls else 'missing_field'}: {name}"
        )
    for name in good(type_).keys() & optional:
        assert isinstance(interpret(message(type_, **{name: literal})), Event)


@pytest.mark.parametrize(("type_", "name"), IDS)
def test_ids_are_unsigned_integers_of_32_bits(type_: str, name: str) -> None:
    for literal in ("-1", "-666", "4294967296", "9223372036854775808", "18446744073709551616", "1e400", "9" * 10_000):
        assert error(message(type_, **{name: literal})) == f"out_of_range: {name}"
    for literal in ("true", '"7"', "7.5", "[7]", "{}"):
        assert error(message(type_, **{name: literal})) == f"wrong_type: {name}"
    for literal in ("NaN", "Infinity", "-Infinity"):
        assert error(message(type_, **{name: literal})) == f"not_finite: {name}"
    for literal in ("0", "4294967295", "7.0", "7e0", "-0"):
        assert isinstance(interpret(message(type_, **{name: literal})), Event)


@pytest.mark.parametrize(("type_", "name"), AMOUNTS)
def test_amounts_are_cents_that_fit_their_column(type_: str, name: str) -> None:
    for literal in (
        "1e400",
        "-1e400",
        "100000000",
        "99999999.995",
        "-99999999.995",
        "9223372036854775808",
        "9" * 10_000,
    ):
        assert error(message(type_, **{name: literal})) == f"out_of_range: {name}"
    for literal in ("NaN", "Infinity", "-Infinity"):
        assert error(message(type_, **{name: literal})) == f"not_finite: {name}"
    for literal in ('"NaN"', '"12.50"', "true", "[]"):
        assert error(message(type_, **{name: literal})) == f"wrong_type: {name}"


@pytest.mark.parametrize(("type_", "name"), AMOUNTS)
@pytest.mark.parametrize(
    ("literal", "read"),
    [
        ("0", "0.00"),
        ("-0.0", "0.00"),
        ("-0.004", "0.00"),
        ("-5", "-5.00"),
        ("1.005", "1.01"),
        ("-1.005", "-1.01"),
        ("99999999.9949", "99999999.99"),
    ],
)
def test_an_amount_of_any_sign_is_a_message_since_a_rule_refuses_it(
    type_: str, name: str, literal: str, read: str
) -> None:
    column = "amount" if type_ == "loan_payment" else "transfer_value"
    assert str(getattr(understood(message(type_, **{name: literal})), column)) == read


@pytest.mark.parametrize(("type_", "name", "longest"), TEXTS)
@pytest.mark.parametrize("character", ["x", "😀", "ש", "\\u0000"])
def test_texts_are_as_long_as_their_column_in_characters(type_: str, name: str, longest: int, character: str) -> None:
    assert isinstance(interpret(message(type_, **{name: f'"{character * longest}"'})), Event)
    assert error(message(type_, **{name: f'"{character * (longest + 1)}"'})) == f"text_too_long: {name}"


@pytest.mark.parametrize(("type_", "name", "longest"), TEXTS)
def test_sql_is_a_text_like_any_other(type_: str, name: str, longest: int) -> None:
    sql = msgspec.json.encode(INJECTION).decode()
    assert getattr(understood(message(type_, **{name: sql})), name) == INJECTION
    assert getattr(understood(message(type_, **{name: '""'})), name) == ""


@pytest.mark.parametrize(("type_", "name"), STAMPS)
def test_time_stamps_are_moments(type_: str, name: str) -> None:
    assert getattr(understood(message(type_, **{name: '"2021-10-06T23:30:00.9-02:00"'})), name) == datetime(
        2021, 10, 7, 1, 30
    )
    for literal in ('"soon"', '"2021-10-06 24:00:00"', '"0999-01-01"', '""', '"\'; DROP TABLE stocks; --"'):
        assert error(message(type_, **{name: literal})) == f"bad_timestamp: {name}"
    assert error(message(type_, **{name: "1633519727"})) == f"wrong_type: {name}"


@pytest.mark.parametrize("type_", TYPES)
def test_extra_fields_are_ignored_whatever_they_hold(type_: str) -> None:
    expected = understood(message(type_))
    for literal in ("NaN", "1e999999999999999999999", "9" * 10_000, '"\\ud800"', "[[[{}]]]", '"\'; --"'):
        assert understood(message(type_, extra=literal)) == expected


@pytest.mark.parametrize("type_", TYPES)
def test_of_several_defects_the_same_one_always_counts(type_: str) -> None:
    fields = good(type_)
    names = [name for name in fields if name not in ("type", "status", "id")]
    first = {"transaction": "origin_accounts_id", "card_transaction": "card_num", "loan_payment": "loan_id"}
    for order in (names, names[::-1]):
        assert error(message(type_, **dict.fromkeys(order, "[]"))).endswith(f": {first.get(type_, 'price')}")


@pytest.mark.parametrize("name", ["pin", "cvc1", "cvc2"])
def test_a_secret_is_given_or_not(name: str) -> None:
    for literal in ("null", '""', '"\\\\N"', ""):
        assert getattr(understood(message("card_transaction", **{name: literal})), name) is None
    for literal in ("123", "123.0", '"123"', '"0123"'):
        assert getattr(understood(message("card_transaction", **{name: literal})), name) == 123
    for literal in ('"12a"', "true", "[]", '"\\\\n"', '" "'):
        assert error(message("card_transaction", **{name: literal})) == f"wrong_type: {name}"
    assert getattr(understood(message("card_transaction", **{name: "70000"})), name) == 70000


def test_a_location_is_two_letters_as_sent_or_none() -> None:
    for sent in ("US", "us", "dE"):
        assert understood(message("card_transaction", location=f'"{sent}"')).location == sent
    for literal in ('"USA"', '"U"', '""', '"U1"', '"  "', '"\\\\N"', '"ÖÜ"', '"中国"', '"U\\ud800"'):
        assert error(message("card_transaction", location=literal)) == "bad_location: location"
    assert error(message("card_transaction", location="1")) == "wrong_type: location"


def test_a_card_number_has_at_most_16_digits() -> None:
    assert understood(message("card_transaction", card_num="9999999999999999")).card_num == 10**16 - 1
    for literal in ("-666", "10000000000000000", "1e16"):
        assert error(message("card_transaction", card_num=literal)) == "out_of_range: card_num"


def test_a_card_payment_shows_neither_secrets_nor_its_card() -> None:
    shown = repr(understood(message("card_transaction", pin="7391", cvc1="846", cvc2="957")))
    assert not [secret for secret in ("7391", "846", "957", "4000123412341234") if secret in shown]


@pytest.mark.parametrize("name", ["price", "volume", "high", "low"])
@pytest.mark.parametrize("literal", ["", "null", "NaN", '"12.5"', "true", "[]", '""'])
def test_a_figure_of_a_quote_that_is_no_number_is_an_illegal_null(name: str, literal: str) -> None:
    assert error(message("stock", **{name: literal})) == f"illegal_null: {name}"


@pytest.mark.parametrize("literal", ["", "null", '""', '" "', '"\\t \\u00a0"', '"        "'])
def test_a_quote_without_a_ticker_is_an_illegal_null(literal: str) -> None:
    assert error(message("stock", ticker=literal)) == "illegal_null: ticker"


def test_an_illegal_null_outranks_other_defects_of_a_quote() -> None:
    assert error(message("stock", low="null", name="5", timestamp="5")) == "illegal_null: low"
    assert error(message("stock", ticker="null", price="1e400", name="5")) == "illegal_null: ticker"


def test_other_tickers_are_read_as_texts() -> None:
    assert understood(message("stock", ticker='" BRK.B"')).ticker == " BRK.B"
    assert error(message("stock", ticker="5")) == "wrong_type: ticker"
    assert error(message("stock", ticker='"GOOGLES"')) == "text_too_long: ticker"


@pytest.mark.parametrize("name", ["price", "market_cap", "volume", "high", "low"])
def test_figures_of_a_quote_are_finite_and_fit_their_columns(name: str) -> None:
    for literal in ("1e400", "-1e400", "1e999999999"):
        assert error(message("stock", **{name: literal})) == f"out_of_range: {name}"
    for literal in ("Infinity", "-Infinity"):
        assert error(message("stock", **{name: literal})) == f"not_finite: {name}"
    assert getattr(understood(message("stock", **{name: "-3.0"})), name) == -3


@pytest.mark.parametrize(
    ("name", "literal", "read"),
    [
        ("price", "9999999.9999994", "9999999.999999"),
        ("high", "0.0000005", "0.000001"),
        ("low", "-0.0000004", "0.000000"),
        ("market_cap", "-9999999999999.994", "-9999999999999.99"),
        ("volume", "2.5", "3"),
        ("volume", "-2.5", "-3"),
        ("volume", "-0.4", "0"),
        ("volume", "9223372036854775807", "9223372036854775807"),
        ("volume", "-9223372036854775808.4", "-9223372036854775808"),
    ],
)
def test_figures_of_a_quote_are_rounded_to_their_columns(name: str, literal: str, read: str) -> None:
    assert str(getattr(understood(message("stock", **{name: literal})), name)) == read


@pytest.mark.parametrize(
    ("name", "literal"),
    [
        ("price", "9999999.9999995"),
        ("low", "-10000000"),
        ("market_cap", "9999999999999.995"),
        ("volume", "9223372036854775807.5"),
        ("volume", "-9223372036854775808.5"),
    ],
)
def test_figures_of_a_quote_that_do_not_fit_once_rounded_are_out_of_range(name: str, literal: str) -> None:
    assert error(message("stock", **{name: literal})) == f"out_of_range: {name}"


@pytest.mark.parametrize("literal", ["", "null", "NaN", "0", "-0.001"])
def test_a_quote_without_market_cap_has_zero(literal: str) -> None:
    assert str(understood(message("stock", market_cap=literal)).market_cap) == "0.00"


def test_a_market_cap_that_is_no_number_is_of_the_wrong_type() -> None:
    for literal in ('"2.3T"', '"NaN"', "true"):
        assert error(message("stock", market_cap=literal)) == "wrong_type: market_cap"


def test_what_is_not_stored_of_a_quote_is_not_looked_at() -> None:
    for literal in ("null", "NaN", '"high"', "[]", ""):
        assert isinstance(interpret(message("stock", volatility=literal, percent_change=literal)), Event)


@pytest.mark.parametrize("type_", TYPES)
@pytest.mark.parametrize("status", ["1", "-1", "2.0", "1e400", "-1e999999999", "9223372036854775808"])
def test_with_a_status_other_than_zero_nothing_else_is_looked_at(type_: str, status: str) -> None:
    ruined = {name: "[]" for name in good(type_) if name not in ("type", "status")}
    assert interpret(message(type_, **ruined | {"id": "[]", "status": status})) == Skipped(type_)


@pytest.mark.parametrize("type_", TYPES)
def test_a_status_must_be_an_integer(type_: str) -> None:
    for literal in ("0.5", "true", "false", '"0"', "[]"):
        assert error(message(type_, status=literal, id="[]")) == "wrong_type: status"
    assert error(message(type_, status="NaN")) == "not_finite: status"
    for literal in ("0.0", "-0", "0e5"):
        assert isinstance(interpret(message(type_, status=literal)), Event)


@pytest.mark.parametrize(
    ("type_", "name", "key"),
    [
        ("transaction", "origin_accounts_id", b"account:7"),
        ("loan_payment", "account_id", b"account:7"),
        ("card_transaction", "card_num", b"card:7"),
    ],
)
def test_what_keeps_its_order_has_one_key_however_it_is_written(type_: str, name: str, key: bytes) -> None:
    ordering_key = MESSAGES[type_].ordering_key
    for value in (7, Decimal("7.0"), Decimal("0.7e1")):
        assert ordering_key({name: value}) == key
    unreadable: list[Any] = [None, "7", True, -7, Decimal("NaN"), Decimal("1e400"), 7.5, [], 2**64]
    for value in unreadable:
        assert ordering_key({name: value}) is None
    assert ordering_key({}) is None


def test_quotes_keep_their_order_by_ticker() -> None:
    ordering_key = MESSAGES["stock"].ordering_key
    assert ordering_key({"ticker": "AAPL"}) == b"ticker:AAPL"
    assert ordering_key({"ticker": "é😀"}) == "ticker:é😀".encode()
    for ticker in (None, "", " ", 5, "TOOLONG", "\ud800"):
        assert ordering_key({"ticker": ticker}) is None
