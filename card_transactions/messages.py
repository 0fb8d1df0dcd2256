"""Message type `card_transaction`: a card pays a merchant."""

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
    WRONG_TYPE,
    Fields,
    as_decimal,
    as_secret,
    as_timestamp,
    decimal,
    integer,
    secret,
    text,
    timestamp,
)
from pipeline.messages.usual import Id, UsualKey, UsualMessage
from pipeline.runtime.errors import Rejected

BAD_LOCATION: Final = "bad_location"
LONGEST_MEMO: Final = 55
HIGHEST_CARD_NUMBER: Final = 10**16 - 1

_KEY: Final = b"card:%d"
_KEPT: Final[Mapping[str, redaction.Redaction]] = {
    "id": redaction.label,
    "card_num": redaction.card_number,
    "merchant_account_id": redaction.number,
    "memo": redaction.text,
    "transfer_value": redaction.number,
    "location": redaction.text,
    "time_stamp": redaction.text,
    "status": redaction.number,
}


class CardPayment(msgspec.Struct, frozen=True, gc=False):
    """`transfer_value`: to the cent, any sign. `location`: two letters. `time_stamp`: naive, UTC, whole seconds.

    `pin`, `cvc1`, `cvc2`: None where not given. Neither they nor the card's number show in a repr.
    """

    card_num: int
    merchant_account_id: int
    memo: str
    transfer_value: Decimal
    pin: int | Decimal | None
    cvc1: int | Decimal | None
    cvc2: int | Decimal | None
    location: str | None
    time_stamp: datetime

    def __repr__(self) -> str:
        return f"CardPayment(card_num={redaction.card_number(self.card_num)}, merchant={self.merchant_account_id})"


CardNumber = Annotated[int, msgspec.Meta(ge=0, le=HIGHEST_CARD_NUMBER)]


class UsualCardPayment(UsualMessage, tag="card_transaction"):
    """A card payment as it is mostly written."""

    card_num: CardNumber
    merchant_account_id: Id
    memo: Annotated[str, msgspec.Meta(max_length=LONGEST_MEMO)]
    transfer_value: Any
    time_stamp: str
    pin: Any = None
    cvc1: Any = None
    cvc2: Any = None
    location: str | None = None

    def message(self) -> CardPayment:
        return CardPayment(
            self.card_num,
            self.merchant_account_id,
            self.memo,
            as_decimal(self.transfer_value, "transfer_value", AMOUNT),
            as_secret(self.pin, "pin"),
            as_secret(self.cvc1, "cvc1"),
            as_secret(self.cvc2, "cvc2"),
            _as_location(self.location),
            as_timestamp(self.time_stamp, "time_stamp"),
        )


class CardPaymentKey(UsualKey, tag="card_transaction"):
    """The card."""

    card_num: CardNumber

    def key(self) -> bytes:
        return _KEY % self.card_num


def parse(fields: Fields) -> CardPayment:
    """Raises `Rejected` for the first field, in the order of the class, that cannot be read."""
    return CardPayment(
        integer(fields, "card_num", HIGHEST_CARD_NUMBER),
        integer(fields, "merchant_account_id", INT_UNSIGNED),
        text(fields, "memo", LONGEST_MEMO),
        decimal(fields, "transfer_value", AMOUNT),
        secret(fields, "pin"),
        secret(fields, "cvc1"),
        secret(fields, "cvc2"),
        _location(fields),
        timestamp(fields, "time_stamp"),
    )


def ordering_key(fields: Fields) -> bytes | None:
    """The card; None where its number cannot be read."""
    try:
        return _KEY % integer(fields, "card_num", HIGHEST_CARD_NUMBER)
    except Rejected:
        return None


def payload(fields: Fields) -> dict[str, object]:
    """What a dead letter may keep."""
    return redaction.payload(fields, _KEPT)


def _location(fields: Fields) -> str | None:
    """Two letters A to Z of either case, as sent; absent or null is None, an empty text is refused."""
    return _as_location(fields.get("location"))


def _as_location(value: object) -> str | None:
    if value is None:
        return None
    if type(value) is not str:
        raise Rejected(WRONG_TYPE, "location")
    if len(value) == 2 and value.isascii() and value.isalpha():
        return value
    raise Rejected(BAD_LOCATION, "location")
