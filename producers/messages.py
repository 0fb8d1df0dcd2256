"""One message of each type, as the real producers write it: fields for `json.dumps`, nearly all of them in order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from random import Random
from typing import Any

from producers.bank import FIRST_CARD, BankShape, Rows, make

Fields = dict[str, Any]

MEMOS = ("rent", "groceries", "", "Ünïcödé ☕ 中文", "thank you", "invoice 4711", 'the "usual"', "gift 🎁", "x" * 55)
PLACES = ("US",) * 40 + ("us", "CA", "DE", "GB", None)
NOT_GIVEN = (None, "", "\\N")
TICKERS = tuple(f"{first}{second}{third}" for first in "ABCDEF" for second in "AEIOU" for third in "XYZ")

_LATE = 33 * 24 * 3600
_WEST = timezone(-timedelta(hours=5))


class Messages:
    """Makes messages about one bank. `now`: None is the clock; `hot`: share of card messages to the first shop."""

    def __init__(self, random: Random, shape: BankShape, bank_seed: int, now: datetime | None, hot: float) -> None:
        self.random = random
        self._now = now
        self._hot = hot
        self.rows: Rows = make(shape, bank_seed)
        self._merchants = shape.merchant_count
        self._balances = [float(row[3]) for row in self.rows.accounts]

    def transaction(self) -> Fields:
        origin, destination = self._two_accounts()
        return {
            "type": "transaction",
            "origin_accounts_id": origin,
            "destination_accounts_id": destination,
            "memo": self._one_of(MEMOS),
            "transfer_value": self._amount(origin),
            "time_stamp": self._stamp(),
            "status": 0,
        }

    def card_transaction(self) -> Fields:
        draw = self.random.random
        account, number, pin, cvc1, cvc2, _ = self._one_of(self.rows.cards)
        merchant = 1 if draw() < self._hot else 1 + int(draw() * self._merchants)
        fields = {
            "type": "card_transaction",
            "card_num": number,
            "merchant_account_id": merchant,
            "memo": self._one_of(MEMOS),
            "transfer_value": self._amount(account),
            "pin": self._one_of(NOT_GIVEN),
            "cvc1": self._one_of(NOT_GIVEN),
            "cvc2": self._one_of(NOT_GIVEN),
            "location": self._one_of(PLACES),
            "time_stamp": self._stamp(),
            "status": 0,
        }
        way = draw()
        if way < 0.45:
            fields.update(pin=pin, cvc1=cvc1)
        elif way < 0.85:
            fields["cvc2"] = str(cvc2) if cvc2 and way < 0.5 else cvc2
        return fields

    def loan_payment(self) -> Fields:
        account = 1 + int(self.random.random() * len(self._balances))
        return {
            "type": "loan_payment",
            "loan_id": self._one_of(self.rows.loans)[0],
            "account_id": account,
            "amount": self._amount(account),
            "time_stamp": self._stamp(),
            "status": 0,
        }

    def stock(self) -> Fields:
        draw = self.random.random
        ticker, price = self._one_of(TICKERS), round(draw() * 400 + 0.5, 6)
        return {
            "type": "stock",
            "ticker": ticker,
            "name": f"{ticker} Holdings Inc.",
            "price": price,
            "market_cap": float("nan") if draw() < 0.1 else round(price * 1_234_567.8, 2),
            "volume": int(draw() * 5_000_000) if draw() < 0.9 else draw() * 5_000_000,
            "high": round(price * (0.98 + draw() * 0.1), 6),
            "low": round(price * (0.92 + draw() * 0.1), 6),
            "timestamp": self._stamp(),
            "volatility": round(draw(), 4),
            "percent_change": float("nan") if draw() < 0.05 else round(draw() * 10 - 5, 4),
            "status": 0,
        }

    def unknown_card(self) -> int:
        """A number of 16 digits that no card has."""
        return FIRST_CARD - 1 - int(self.random.random() * 1_000)

    def _two_accounts(self) -> tuple[int, int]:
        accounts, draw = len(self._balances), self.random.random
        origin = int(draw() * accounts)
        step = 1 + int(draw() * (accounts - 1))
        return 1 + origin, 1 + (origin + step) % accounts

    def _amount(self, account: int) -> float:
        """Small as a rule; one in twenty is about what the account had at first, so funds run out and scores rise."""
        share = self.random.random()
        if share < 0.05:
            return round(max(self._balances[account - 1], 100.0) * (0.4 + share * 15), 7)
        return round((share**4) * 250 + 0.01, 7)

    def _stamp(self) -> str:
        """Around now, one in twenty late by up to 33 days; the usual notation, at times ISO 8601 with a zone."""
        moment = self._now or datetime.now(UTC).replace(tzinfo=None)
        share = self.random.random()
        late = (share * 20) ** 3 * _LATE if share < 0.05 else share * 2
        moment -= timedelta(seconds=late)
        if share < 0.9:
            return str(moment)
        if share < 0.95:
            return moment.isoformat(timespec="milliseconds") + "Z"
        return moment.replace(tzinfo=UTC).astimezone(_WEST).isoformat()

    def _one_of(self, choices: Any) -> Any:
        return choices[int(self.random.random() * len(choices))]
