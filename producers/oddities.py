"""What goes wrong in real traffic, one small change of a good message at a time."""

from __future__ import annotations

from collections.abc import Callable

from producers.bank import CARD_STEP, FIRST_CARD
from producers.messages import Fields, Messages

Change = Callable[[Fields, Messages], None]

NOBODY = -666


def _set(name: str, value: object) -> Change:
    def change(fields: Fields, messages: Messages) -> None:
        fields[name] = value

    return change


def _without(name: str) -> Change:
    def change(fields: Fields, messages: Messages) -> None:
        del fields[name]

    return change


def _off_by_one(*names: str) -> Change:
    """Another number than the right one, in every field of `names`."""

    def change(fields: Fields, messages: Messages) -> None:
        for name in names:
            value = fields[name]
            fields[name] = value + 1 if isinstance(value, int) else 123

    return change


def _to_itself(fields: Fields, messages: Messages) -> None:
    fields["destination_accounts_id"] = fields["origin_accounts_id"]


def _to_its_own_account(fields: Fields, messages: Messages) -> None:
    fields["merchant_account_id"] = (fields["card_num"] - FIRST_CARD) // CARD_STEP


def _to_an_unknown_card(fields: Fields, messages: Messages) -> None:
    fields["card_num"] = messages.unknown_card()


def _abroad(fields: Fields, messages: Messages) -> None:
    """Far from home, with no code at all, and a good part of the funds: a high fraud score."""
    account, number, *_ = messages.rows.cards[int(messages.random.random() * len(messages.rows.cards))]
    balance = float(messages.rows.accounts[account - 1][3])
    fields.update(card_num=number, location="KP", pin=None, cvc1="\\N", cvc2="")
    fields["transfer_value"] = round(max(balance, 20.0) * (0.3 + messages.random.random() / 2), 7)


_SKIPPED = (_set("status", 1),) * 6
_TRANSFERS: tuple[Change, ...] = (
    *(_set("memo", "m" * 56), _set("transfer_value", -25.004), _set("transfer_value", 0.004)),
    *(_set("transfer_value", 123456789.5), _set("transfer_value", "12.50"), _set("transfer_value", float("inf"))),
    *(_set("time_stamp", "yesterday"), _set("time_stamp", "2021-10-06T24:00:00"), _without("memo")),
)

ODDITIES: dict[str, tuple[Change, ...]] = {
    "transaction": (
        *_SKIPPED,
        *_TRANSFERS,
        *(_set("origin_accounts_id", NOBODY),) * 6,
        *(_set("destination_accounts_id", NOBODY),) * 6,
        *(_to_itself,) * 4,
        *(_set("transfer_value", 1234567.8901),) * 4,
    ),
    "card_transaction": (
        *_SKIPPED,
        *_TRANSFERS,
        *(_set("merchant_account_id", NOBODY),) * 8,
        *(_to_an_unknown_card,) * 4,
        *(_off_by_one("pin", "cvc1"), _off_by_one("cvc1"), _off_by_one("cvc2"), _set("pin", "0000")) * 2,
        *(_abroad,) * 3,
        *(_to_its_own_account, _set("location", "USA"), _set("cvc1", "abc"), _set("pin", True)),
    ),
    "loan_payment": (
        *_SKIPPED,
        *(_set("loan_id", NOBODY),) * 6,
        *(_set("account_id", NOBODY),) * 6,
        *(_set("amount", -10.0), _set("amount", None), _set("amount", 0), _without("loan_id")),
    ),
    "stock": (
        *_SKIPPED,
        *(_set("price", float("nan")), _set("volume", None), _set("ticker", None), _set("ticker", "  ")) * 2,
        *(_set("price", -1.5), _set("market_cap", -100.0), _set("ticker", "TOOLONG"), _without("high")),
        *(_set("market_cap", None),) * 3,
    ),
}
"""Message type → its changes, all of them equally likely."""
