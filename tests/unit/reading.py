"""The four domains as far as reading goes, one good message of each, and short ways to read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from bank.ledger import Ledger
from card_transactions import messages as card_transactions
from loans import messages as loans
from pipeline.applying.domain import Decision, EventTable, Row
from pipeline.applying.routing import Router
from pipeline.messages.decoding import decode
from pipeline.messages.records import Event, Letter, Record, Skipped
from pipeline.messages.usual import UsualKey, UsualMessage
from stocks import messages as stocks
from transactions import messages as transactions

STREAM: Final = "byte-henry"
SHARD: Final = "shardId-000000000000"
SEQUENCE: Final = "49665432109876543210987654321098765432109876543210987654"
ARRIVED_MS: Final = 1_720_000_000_123
EVENTS: Final = Path(__file__).parent.parent / "events"
MESSAGES: Final[dict[str, Any]] = {
    "transaction": transactions,
    "card_transaction": card_transactions,
    "loan_payment": loans,
    "stock": stocks,
}
TYPES: Final = tuple(MESSAGES)
USUAL: Final[dict[str, tuple[type[UsualMessage], type[UsualKey]]]] = {
    "transaction": (transactions.UsualTransfer, transactions.TransferKey),
    "card_transaction": (card_transactions.UsualCardPayment, card_transactions.CardPaymentKey),
    "loan_payment": (loans.UsualLoanPayment, loans.LoanPaymentKey),
    "stock": (stocks.UsualQuote, stocks.QuoteKey),
}

patient: Final = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
JSON_OBJECT: Final = st.dictionaries(st.text(max_size=5), JSON, max_size=5)


class Reading:
    """A domain that reads; nothing in these tests decides."""

    expected_status = 1

    def __init__(self, type_: str) -> None:
        self.type = type_
        self.table = EventTable(f"{type_}s", ())
        self.usual_message, self.usual_key = USUAL[type_]

    def parse(self, fields: Mapping[str, object]) -> Any:
        return MESSAGES[self.type].parse(fields)

    def ordering_key(self, fields: Mapping[str, object]) -> bytes | None:
        key: bytes | None = MESSAGES[self.type].ordering_key(fields)
        return key

    def payload(self, fields: Mapping[str, object]) -> dict[str, object]:
        payload: dict[str, object] = MESSAGES[self.type].payload(fields)
        return payload

    def needs(self, message: Any) -> Any:
        raise AssertionError("reading needs no state")

    def row(self, message: Any, status: int) -> Row:
        raise AssertionError("reading makes no row")

    def said(self, message: Any, status: int) -> str:
        raise AssertionError("reading makes no row")

    def decide(self, event: Event[Any], state: Ledger) -> Decision:
        raise AssertionError("reading decides nothing")


ROUTER: Final = Router(STREAM, {type_: Reading(type_) for type_ in TYPES})


def record(data: bytes, sub_sequence: int = 0, flaw: str | None = None) -> Record:
    return Record(SHARD, SEQUENCE, sub_sequence, ARRIVED_MS, data, flaw)


def good(type_: str) -> dict[str, object]:
    """The fields of the good example, decoded as the service does."""
    return decode((EVENTS / f"{type_}.json").read_bytes())


def written(fields: Mapping[str, object], **literals: str) -> bytes:
    """A message as bytes: `fields` with some of them as the given JSON literals. Later keys are written later."""
    parts = [f"{json.dumps(name)}: {json.dumps(value, default=float)}" for name, value in fields.items()]
    parts += [f"{json.dumps(name)}: {literal}" for name, literal in literals.items()]
    return ("{" + ", ".join(parts) + "}").encode()


def message(type_: str, **literals: str) -> bytes:
    """The good message of a type with some fields replaced by JSON literals ("" leaves a field out)."""
    fields = {name: value for name, value in good(type_).items() if name not in literals}
    return written(fields, **{name: literal for name, literal in literals.items() if literal})


def interpret(data: bytes) -> Event[Any] | Letter | Skipped:
    return ROUTER.interpret(record(data))


def error(data: bytes) -> str:
    """Why these bytes are a dead letter."""
    outcome = interpret(data)
    assert isinstance(outcome, Letter), outcome
    return outcome.error


def understood(data: bytes) -> Any:
    """The message that these bytes say."""
    outcome = interpret(data)
    assert isinstance(outcome, Event), outcome
    return outcome.message
