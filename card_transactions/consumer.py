"""The domain of message type `card_transaction`."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import lru_cache

from bank.holdings import Account
from bank.ledger import Ledger
from bank.needs import Needs, Window, WindowBelow
from bank.statuses import ACCEPTED, POTENTIAL_FRAUD
from card_transactions import fraud, messages, rules
from card_transactions.fraud import FraudWeights
from card_transactions.messages import CardPayment
from card_transactions.tables import CARD_TRANSACTIONS, FRAUD_ALERTS, alert, row, said
from pipeline.applying.domain import Decision, EventTable, Row
from pipeline.messages.records import Event
from pipeline.messages.usual import KeyType, MessageType

_EPOCH = datetime(1970, 1, 1)


class CardTransactions:
    """Card payments: card, payer and merchant are locked; a potential fraud ends the payer and owes a mail."""

    type = "card_transaction"
    table = CARD_TRANSACTIONS
    expected_status = ACCEPTED
    usual_message: MessageType = messages.UsualCardPayment
    usual_key: KeyType = messages.CardPaymentKey
    parse = staticmethod(messages.parse)
    ordering_key = staticmethod(messages.ordering_key)
    payload = staticmethod(messages.payload)
    row = staticmethod(row)
    said = staticmethod(said)

    def __init__(self, weights: FraudWeights) -> None:
        self._weights = weights

    def needs(self, event: Event[CardPayment]) -> Needs:
        payment, weights = event.message, self._weights
        keys = (payment.card_num,), (payment.merchant_account_id,)
        window = Window(payment.card_num, _moment(event.record.arrived_ms))
        suspicion = fraud.suspicion(payment, weights)
        if suspicion == weights.threshold_velocity or fraud.needs_velocity(suspicion, event.identity, weights):
            return Needs(*keys, windows=(window,))
        enough = weights.amount * payment.transfer_value / (weights.threshold_velocity - suspicion)
        return Needs(*keys, below=(WindowBelow(window, enough),))

    def decide(self, event: Event[CardPayment], state: Ledger) -> Decision:
        verdict = rules.decide(event.message, _moment(event.record.arrived_ms), event.identity, self._weights, state)
        side_rows: tuple[tuple[EventTable, Row], ...] = ()
        if verdict.status == POTENTIAL_FRAUD:
            side_rows = tuple(
                (FRAUD_ALERTS, alert(event.message, a.id)) for a in verdict.effects if isinstance(a, Account)
            )
        card = state.card(event.message.card_num)
        return Decision(verdict.status, verdict.effects, side_rows, (card.account_id if card else None,))


@lru_cache(8192)
def _moment(arrived_ms: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=arrived_ms)
