"""The domain of message type `stock`."""

from __future__ import annotations

from collections.abc import Mapping

from bank.statuses import ACCEPTED
from pipeline.applying.domain import Decision, Row
from pipeline.messages.records import Event
from pipeline.messages.usual import KeyType, MessageType
from stocks import messages, rules
from stocks.messages import Quote
from stocks.tables import STOCKS, row, said


class Stocks:
    """Quotes: nothing of the bank is looked at; one row each."""

    type = "stock"
    table = STOCKS
    expected_status = ACCEPTED
    usual_message: MessageType = messages.UsualQuote
    usual_key: KeyType = messages.QuoteKey

    def parse(self, fields: Mapping[str, object]) -> Quote:
        return messages.parse(fields)

    def ordering_key(self, fields: Mapping[str, object]) -> bytes | None:
        return messages.ordering_key(fields)

    def payload(self, fields: Mapping[str, object]) -> dict[str, object]:
        return messages.payload(fields)

    def needs(self, event: Event[Quote]) -> None:
        return None

    def row(self, message: Quote, status: int) -> Row:
        return row(message, status)

    def said(self, message: Quote, status: int) -> str:
        return said(message, status)

    def decide(self, event: Event[Quote], state: object) -> Decision:
        return Decision(rules.decide(event.message))
