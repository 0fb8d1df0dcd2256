"""Message type `transaction`: money from one account to another."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Final

import msgspec

from bank.money import AMOUNT
from pipeline.messages import redaction
from pipeline.messages.fields import (
    INT_UNSIGNED,
    Fields,
    as_decimal,
    as_timestamp,
    decimal,
    integer,
    text,
    timestamp,
)
from pipeline.messages.usual import Id, UsualKey, UsualMessage
from pipeline.runtime.errors import Rejected

LONGEST_MEMO: Final = 55

_KEY: Final = b"account:%d"

_KEPT: Final[Mapping[str, redaction.Redaction]] = {
    "id": redaction.label,
    "origin_accounts_id": redaction.number,
    "destination_accounts_id": redaction.number,
    "memo": redaction.text,
    "transfer_value": redaction.number,
    "time_stamp": redaction.text,
    "status": redaction.number,
}


class Transfer(msgspec.Struct, frozen=True, gc=False):
    """`transfer_value`: to the cent, any sign. `time_stamp`: naive, UTC, whole seconds."""

    origin_account: int
    destination_account: int
    memo: str
    transfer_value: Decimal
    time_stamp: datetime


class UsualTransfer(UsualMessage, tag="transaction"):
    """A transfer as it is mostly written."""

    origin_accounts_id: Id
    destination_accounts_id: Id
    memo: Annotated[str, msgspec.Meta(max_length=LONGEST_MEMO)]
    transfer_value: Any
    time_stamp: str

    def message(self) -> Transfer:
        return Transfer(
            self.origin_accounts_id,
            self.destination_accounts_id,
            self.memo,
            as_decimal(self.transfer_value, "transfer_value", AMOUNT),
            as_timestamp(self.time_stamp, "time_stamp"),
        )


class TransferKey(UsualKey, tag="transaction"):
    """The account that pays."""

    origin_accounts_id: Id

    def key(self) -> bytes:
        return _KEY % self.origin_accounts_id


def parse(fields: Fields) -> Transfer:
    """Raises `Rejected` for the first field, in the order of the class, that cannot be read."""
    return Transfer(
        integer(fields, "origin_accounts_id", INT_UNSIGNED),
        integer(fields, "destination_accounts_id", INT_UNSIGNED),
        text(fields, "memo", LONGEST_MEMO),
        decimal(fields, "transfer_value", AMOUNT),
        timestamp(fields, "time_stamp"),
    )


def ordering_key(fields: Fields) -> bytes | None:
    """The account that pays; None where it cannot be read."""
    try:
        return _KEY % integer(fields, "origin_accounts_id", INT_UNSIGNED)
    except Rejected:
        return None


def payload(fields: Fields) -> dict[str, object]:
    """What a dead letter may keep."""
    return redaction.payload(fields, _KEPT)
