"""The rules of DOMAIN.md, each in its place in the order, on a ledger in memory."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest

from bank.holdings import Account, Card, Loan
from bank.ledger import Ledger
from bank.needs import Spent, Window
from bank.verdict import Spending, Verdict
from card_transactions import rules as cards
from card_transactions.fraud import FraudWeights, sampled, velocity
from card_transactions.messages import CardPayment
from loans import rules as loans
from loans.messages import LoanPayment
from pipeline.applying.domain import MoreNeeded
from pipeline.runtime.errors import Rejected
from stocks import rules as stocks
from stocks.messages import Quote
from stocks.tables import row as stock_row
from transactions import rules as transactions
from transactions.messages import Transfer

NOW = datetime(2021, 10, 6, 11, 28, 47)
NEVER_SAMPLED = FraudWeights(sample_chance=Decimal(0))
NUMBER = 4000_0000_0000_0001


def money(text: str) -> Decimal:
    return Decimal(text)


def account(
    key: int, balance: str = "100.00", floor: int = 0, *, active: bool = True, kind: str = "Checking"
) -> Account:
    return Account(key, kind, money(balance), floor, active)


def ledger(*holdings: Account | Loan | Card) -> Ledger:
    return Ledger(
        {h.number: h for h in holdings if isinstance(h, Card)},
        {h.id: h for h in holdings if isinstance(h, Account)},
        {h.id: h for h in holdings if isinstance(h, Loan)},
    )


def balances(verdict: Verdict) -> list[str]:
    return [str(effect.balance) for effect in verdict.effects if isinstance(effect, Account | Loan)]


def transfer(amount: str, origin: int = 1, destination: int = 2) -> Transfer:
    return Transfer(origin, destination, "rent", money(amount), NOW)


@pytest.mark.parametrize(
    ("origin", "destination", "amount", "status"),
    [
        (account(1), account(2), "100.00", 1),
        (account(1), account(2), "100.01", -1),
        (account(1), account(2), "0.00", -4),
        (account(1, active=False), account(2), "-5.00", -4),
        (account(1, active=False), account(2), "500.00", -2),
        (account(1), account(2, active=False), "500.00", -2),
        (account(1, "-20.00", -50), account(2), "30.00", 1),
        (account(1, "-20.00", -50), account(2), "30.01", -1),
        (account(1, "100.00", 40), account(2), "60.01", -1),
    ],
)
def test_a_transfer_gets_the_status_of_the_first_rule_that_fails(
    origin: Account, destination: Account, amount: str, status: int
) -> None:
    verdict = transactions.decide(transfer(amount), ledger(origin, destination))
    assert verdict.status == status
    assert bool(verdict.effects) == (status == 1)


def test_an_accepted_transfer_moves_the_amount() -> None:
    verdict = transactions.decide(transfer("0.01"), ledger(account(1), account(2)))
    assert balances(verdict) == ["99.99", "100.01"]


def test_a_transfer_to_itself_is_invalid() -> None:
    assert transactions.decide(transfer("1.00", 1, 1), ledger(account(1))).status == -4


@pytest.mark.parametrize(
    ("origin", "destination", "field"), [(1, 9, "destination"), (9, 1, "origin"), (9, 9, "origin")]
)
def test_a_transfer_of_an_unknown_account_is_a_letter(origin: int, destination: int, field: str) -> None:
    with pytest.raises(Rejected) as rejected:
        transactions.decide(transfer("-1.00", origin, destination), ledger(account(1)))
    assert (rejected.value.reason, rejected.value.detail) == ("no_account", f"{field}_accounts_id")


@pytest.mark.parametrize(
    ("origin", "destination", "amount"),
    [
        (account(1), account(2, "99999999.99"), "0.01"),
        (account(1, "-99999990.00", -2_000_000_000), account(2), "10.00"),
    ],
)
def test_a_balance_that_would_overflow_is_a_letter(origin: Account, destination: Account, amount: str) -> None:
    with pytest.raises(Rejected, match="balance_overflow"):
        transactions.decide(transfer(amount), ledger(origin, destination))


@pytest.mark.parametrize(
    ("payer", "loan", "amount", "status"),
    [
        (account(1), Loan(5, money("-80.00"), True), "80.00", 1),
        (account(1, kind="SAVINGS"), Loan(5, money("-80.00"), True), "80.00", 1),
        (account(1, kind="Credit"), Loan(5, money("-80.00"), True), "0.00", -4),
        (account(1, kind="Credit"), Loan(5, money("-80.00"), True), "500.00", -5),
        (account(1, "10.00", -500), Loan(5, money("-80.00"), False), "11.00", -1),
        (account(1), Loan(5, money("-80.00"), False), "90.00", -2),
        (account(1, active=False), Loan(5, money("-80.00"), True), "90.00", -2),
        (account(1), Loan(5, money("-80.00"), True), "80.01", -6),
        (account(1), Loan(5, money("0.00"), True), "0.01", -6),
        (account(1), Loan(5, money("7.00"), True), "5.00", -6),
    ],
)
def test_a_loan_payment_gets_the_status_of_the_first_rule_that_fails(
    payer: Account, loan: Loan, amount: str, status: int
) -> None:
    verdict = loans.decide(LoanPayment(5, 1, money(amount), NOW), ledger(payer, loan))
    assert verdict.status == status
    if status == 1:
        assert balances(verdict) == ["20.00", "0.00"]


def test_a_payment_of_an_unknown_loan_is_a_letter_before_its_account_is_looked_at() -> None:
    with pytest.raises(Rejected, match="no_loan"):
        loans.decide(LoanPayment(5, 9, money("1.00"), NOW), ledger())


def quote(price: str, high: str = "12", low: str = "8", *, cap: str = "0", volume: int = 1) -> Quote:
    return Quote("UTOP", "Utopia", money(price), money(cap), volume, money(high), money(low), NOW)


@pytest.mark.parametrize(
    ("sent", "status", "high", "low"),
    [
        (quote("10"), 1, "12", "8"),
        (quote("13"), 1, "13", "8"),
        (quote("7"), 1, "12", "7"),
        (quote("-1"), -2, "12", "8"),
        (quote("13", low="-1"), -2, "12", "-1"),
        (quote("13", cap="-0.01"), -2, "12", "8"),
        (quote("13", volume=-1), -2, "12", "8"),
    ],
)
def test_a_quote_widens_high_and_low_only_where_nothing_is_negative(
    sent: Quote, status: int, high: str, low: str
) -> None:
    assert stocks.decide(sent) == status
    assert stock_row(sent, status)[5:7] == (money(high), money(low))


CARD = Card(NUMBER, 1, 1234, 111, 222, date(2021, 10, 6))


def payment(amount: str = "10.00", merchant: int = 2, **given: int | str | None) -> CardPayment:
    sent: dict[str, int | str | None] = {"pin": None, "cvc1": None, "cvc2": 222, "location": "us", **given}
    return CardPayment(NUMBER, merchant, "shop", money(amount), time_stamp=NOW, **sent)  # type: ignore[arg-type]


def pay(sent: CardPayment, *holdings: Account | Card, now: datetime = NOW, spent: Spent | None = None) -> Verdict:
    books = ledger(*holdings)
    if spent is not None:
        books.remember_windows({Window(NUMBER, now): spent})
    return cards.decide(sent, now, b"identity", NEVER_SAMPLED, books)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (payment(), 1),
        (payment("100.01"), -1),
        (payment("0.00"), -4),
        (payment("1.00", merchant=1), -4),
        (payment(cvc2=221), -4),
        (payment(cvc1=111, pin=1234, cvc2=221), 1),
        (payment(cvc1=111, pin=1), -4),
        (payment(cvc1=111), -4),
        (payment(cvc1=110, pin=1234), -4),
        (payment(pin=1), 1),
    ],
)
def test_a_card_payment_gets_the_status_of_the_first_rule_that_fails(sent: CardPayment, status: int) -> None:
    assert pay(sent, CARD, account(1), account(2)).status == status


def test_an_unknown_card_is_a_row_whatever_its_merchant() -> None:
    assert pay(payment("-1.00", merchant=9)).status == -7


def test_an_unknown_merchant_is_a_letter_before_the_amount_is_looked_at() -> None:
    with pytest.raises(Rejected, match="no_merchant"):
        pay(payment("-1.00", merchant=9), CARD, account(1))


def test_the_day_of_expiry_is_the_last_valid_day() -> None:
    late = NOW.replace(hour=23, minute=59)
    assert pay(payment(), CARD, account(1), account(2), now=late).status == 1
    assert pay(payment(cvc2=221), CARD, account(1), account(2), now=late + timedelta(minutes=1)).status == -3


def test_a_card_whose_column_holds_no_day_has_expired_in_its_place_among_the_rules() -> None:
    endless = Card(NUMBER, 1, 1234, 111, 222, None)
    assert pay(payment(cvc2=221), endless, account(1), account(2)).status == -3
    assert pay(payment("1000000.00"), endless, account(1), account(2)).status == -1


def test_a_card_without_a_cvc1_matches_none_and_one_without_a_pin_asks_for_none() -> None:
    blank = Card(NUMBER, 1, None, None, 222, date(2022, 1, 1))
    assert pay(payment(cvc1=111, pin=1), blank, account(1), account(2)).status == -4
    magnetic = Card(NUMBER, 1, None, 111, 222, date(2022, 1, 1))
    assert pay(payment(cvc1=111, pin=1), magnetic, account(1), account(2)).status == 1


def test_potential_fraud_deactivates_the_payer_and_moves_nothing() -> None:
    strange = payment("20.10", cvc2=None, location=None)
    assert (
        pay(payment("20.00", cvc2=None, location=None), CARD, account(1), account(2), spent=Spent(None, None)).status
        == 1
    )
    verdict = pay(strange, CARD, account(1), account(2), spent=Spent(None, None))
    assert verdict == Verdict(-8, (account(1, active=False),))


def test_the_score_asks_for_the_spending_only_above_its_threshold() -> None:
    at_threshold = payment("10.00", cvc2=None)
    assert pay(at_threshold, CARD, account(1), account(2)).status == 1
    with pytest.raises(MoreNeeded):
        pay(payment("10.01", cvc2=None), CARD, account(1), account(2))


def test_a_sampled_payment_asks_for_the_spending_whatever_its_score() -> None:
    always = FraudWeights(sample_chance=Decimal(1))
    with pytest.raises(MoreNeeded):
        cards.decide(payment("0.01"), NOW, b"identity", always, ledger(CARD, account(1), account(2)))
    share = sum(sampled(i.to_bytes(16, "big"), Decimal("0.1")) for i in range(10_000))
    assert 900 < share < 1_100


@pytest.mark.parametrize(
    ("recent", "history", "expected"),
    [
        (None, "500", "0"),
        ("9.99", "500", "0"),
        ("10", None, "0.5"),
        ("10", "99.99", "0.5"),
        ("10", "100", "0"),
        ("10", "200", "-0.5"),
        ("30", "100", "2"),
    ],
)
def test_velocity_compares_three_days_with_the_thirty_before(
    recent: str | None, history: str | None, expected: str
) -> None:
    spent = Spent(recent and money(recent), history and money(history))  # type: ignore[arg-type]
    assert velocity(spent, Decimal(1)) == money(expected)


def test_the_ledger_adds_what_the_chunk_has_spent_so_far_to_the_right_window() -> None:
    books = ledger(CARD, account(1), account(2))
    window = Window(NUMBER, NOW)
    books.remember_windows({window: Spent(None, money("5"))})
    edges = {"recent": NOW, "history": NOW - timedelta(days=3), "too old": NOW - timedelta(days=33), "later": NOW}
    for name, moment in edges.items():
        later = timedelta(seconds=1) if name == "later" else timedelta()
        books.remember([Spending(NUMBER, moment + later, money("1"))])
    assert books.spent(window) == Spent(money("1"), money("6"))
    books.restart()
    assert books.spent(window) == Spent(None, money("5"))
