"""The domain of message type `transaction`."""

from __future__ import annotations

from bank.ledger import Ledger
from bank.needs import Needs
from bank.statuses import ACCEPTED
from pipeline.applying.domain import Decision
from pipeline.messages.records import Event
from pipeline.messages.usual import KeyType, MessageType
from transactions import messages, rules
from transactions.messages import Transfer
from transactions.tables import TRANSACTIONS, row, said


class Transactions:
    """Transfers: both accounts are locked, the amount moves, one row says what happened."""

    type = "transaction"
    table = TRANSACTIONS
    expected_status = ACCEPTED
    usual_message: MessageType = messages.UsualTransfer
    usual_key: KeyType = messages.TransferKey
    parse = staticmethod(messages.parse)
    ordering_key = staticmethod(messages.ordering_key)
    payload = staticmethod(messages.payload)
    row = staticmethod(row)
    said = staticmethod(said)

    def needs(self, event: Event[Transfer]) -> Needs:
        return Needs(accounts=(event.message.origin_account, event.message.destination_account))

    def decide(self, event: Event[Transfer], state: Ledger) -> Decision:
        verdict = rules.decide(event.message, state)
        return Decision(verdict.status, verdict.effects)
