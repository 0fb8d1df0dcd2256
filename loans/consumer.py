"""The domain of message type `loan_payment`."""

from __future__ import annotations

from bank.ledger import Ledger
from bank.needs import Needs
from bank.statuses import ACCEPTED
from loans import messages, rules
from loans.messages import LoanPayment
from loans.tables import LOAN_PAYMENTS, row, said
from pipeline.applying.domain import Decision
from pipeline.messages.records import Event
from pipeline.messages.usual import KeyType, MessageType


class Loans:
    """Loan payments: account and loan are locked, the account pays, the loan is owed less."""

    type = "loan_payment"
    table = LOAN_PAYMENTS
    expected_status = ACCEPTED
    usual_message: MessageType = messages.UsualLoanPayment
    usual_key: KeyType = messages.LoanPaymentKey
    parse = staticmethod(messages.parse)
    ordering_key = staticmethod(messages.ordering_key)
    payload = staticmethod(messages.payload)
    row = staticmethod(row)
    said = staticmethod(said)

    def needs(self, event: Event[LoanPayment]) -> Needs:
        return Needs(accounts=(event.message.account_id,), loans=(event.message.loan_id,))

    def decide(self, event: Event[LoanPayment], state: Ledger) -> Decision:
        verdict = rules.decide(event.message, state)
        return Decision(verdict.status, verdict.effects)
