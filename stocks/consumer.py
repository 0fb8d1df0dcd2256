"""The domain of message type `stock`."""

from __future__ import annotations

from bank.statuses import ACCEPTED
from pipeline.applying.domain import Decision
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
    parse = staticmethod(messages.parse)
    ordering_key = staticmethod(messages.ordering_key)
    payload = staticmethod(messages.payload)
    row = staticmethod(row)
    said = staticmethod(said)

    def needs(self, event: Event[Quote]) -> None:
        return None

    def decide(self, event: Event[Quote], state: object) -> Decision:
        return Decision(rules.decide(event.message))
