"""Message type `loan_payment`: an account pays off some of a loan."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import msgspec

from bank.money import AMOUNT
from pipeline.messages import redaction
from pipeline.messages.fields import INT_UNSIGNED, Fields, as_decimal, as_timestamp, decimal, integer, timestamp
from pipeline.messages.usual import Id, UsualKey, UsualMessage
from pipeline.runtime.errors import Rejected

_KEY: Final = b"account:%d"
_KEPT: Final[Mapping[str, redaction.Redaction]] = {
    "id": redaction.label,
    "loan_id": redaction.number,
    "account_id": redaction.number,
    "amount": redaction.number,
    "time_stamp": redaction.text,
    "status": redaction.number,
}


class LoanPayment(msgspec.Struct, frozen=True, gc=False):
    """`amount`: to the cent, any sign. `time_stamp`: naive, UTC, whole seconds."""

    loan_id: int
    account_id: int
    amount: Decimal
    time_stamp: datetime


class UsualLoanPayment(UsualMessage, tag="loan_payment"):
    """A loan payment as it is mostly written."""

    loan_id: Id
    account_id: Id
    amount: Any
    time_stamp: str

    def message(self) -> LoanPayment:
        return LoanPayment(
            self.loan_id,
            self.account_id,
            as_decimal(self.amount, "amount", AMOUNT),
            as_timestamp(self.time_stamp, "time_stamp"),
        )


class LoanPaymentKey(UsualKey, tag="loan_payment"):
    """The account that pays."""

    account_id: Id

    def key(self) -> bytes:
        return _KEY % self.account_id


def parse(fields: Fields) -> LoanPayment:
    """Raises `Rejected` for the first field, in the order of the class, that cannot be read."""
    return LoanPayment(
        integer(fields, "loan_id", INT_UNSIGNED),
        integer(fields, "account_id", INT_UNSIGNED),
        decimal(fields, "amount", AMOUNT),
        timestamp(fields, "time_stamp"),
    )


def ordering_key(fields: Fields) -> bytes | None:
    """The account that pays; None where it cannot be read."""
    try:
        return _KEY % integer(fields, "account_id", INT_UNSIGNED)
    except Rejected:
        return None


def payload(fields: Fields) -> dict[str, object]:
    """What a dead letter may keep."""
    return redaction.payload(fields, _KEPT)
