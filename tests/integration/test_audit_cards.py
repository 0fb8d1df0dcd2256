"""audit: whose card it was then, and the alert and the inactive account that a potential fraud leaves behind."""

from __future__ import annotations

from contextlib import closing

import pytest

from tests.integration.messages import payment, quote
from tests.integration.operated import Operated
from tests.integration.test_audit import ALL, RICH, SHOP, found
from tests.integration.test_operations_redrive import account, card, data
from tests.schema import Schema

POOR, OTHER = 3, 4
STRANGE = {"cvc2": None, "location": "DE"}
"""With more than a fifth of the funds that is a potential fraud."""


@pytest.fixture
def bank(database: Schema, moto: str) -> Operated:
    """Its first audit has noted four accounts; a payment and a potential fraud follow."""
    bank = Operated(database, moto)
    bank.start()
    for number in (RICH, SHOP, POOR, OTHER):
        account(bank, number)
    good, stolen = card(bank, RICH), card(bank, POOR)
    assert bank.json("audit", *ALL)["since"] is None
    bank.stream.put(
        data(payment(good, SHOP, 20)), data(payment(stolen, SHOP, 50, **STRANGE, memo="hat")), data(quote())
    )
    bank.consume()
    rows = "SELECT paying_account_id, status FROM card_transactions ORDER BY id"
    assert bank.schema.query(rows) == [(RICH, 1), (POOR, -8)]
    return bank


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE cards SET card_num = card_num + 500 WHERE accounts_id = 1",
        "UPDATE cards SET accounts_id = 4 WHERE accounts_id = 1",
        "DELETE FROM cards",
    ],
)
def test_a_card_that_is_replaced_moved_or_deleted_later_breaks_nothing(bank: Operated, change: str) -> None:
    assert bank.schema.execute(change)
    assert found(bank, *ALL) == {}


def test_a_row_that_does_not_say_whose_card_it_was_is_held_against_the_cards_as_they_are(bank: Operated) -> None:
    """Of an older service, or written before the column was there."""
    bank.schema.execute("UPDATE card_transactions SET paying_account_id = NULL")
    assert found(bank, *ALL) == {}


def test_a_changed_payer_moves_money_between_two_accounts(bank: Operated) -> None:
    bank.schema.execute("UPDATE card_transactions SET paying_account_id = 4 WHERE status = 1")
    assert found(bank, *ALL) == {"balance_differs": 2}


TAMPERED = {
    "a deleted alert": ("DELETE FROM fraud_alerts", {"alert_missing": 1}),
    "another amount": ("UPDATE fraud_alerts SET transfer_value = 5", {"alert_missing": 1}),
    "another memo": ("UPDATE fraud_alerts SET memo = 'Hat'", {"alert_missing": 1}),
    "another owner": ("UPDATE fraud_alerts SET accounts_id = 4", {"alert_missing": 1, "account_active": 1}),
    "another event": ("UPDATE fraud_alerts SET event_id = 'x'", {"alert_missing": 1, "alert_invented": 1}),
    "a fraud turned into a refusal": (
        "UPDATE card_transactions SET status = -4 WHERE status = -8",
        {"alert_invented": 1},
    ),
    "an alert by hand": (
        "INSERT INTO fraud_alerts (accounts_id, transfer_value, memo, time_stamp, event_id, applied_at)"
        " SELECT accounts_id, transfer_value, memo, time_stamp, 'x', applied_at FROM fraud_alerts",
        {"alert_invented": 1},
    ),
    "an account made active again": ("UPDATE accounts SET active = 1 WHERE id = 3", {"account_active": 1}),
}


@pytest.mark.parametrize("what", TAMPERED)
def test_a_fraud_whose_row_alert_and_account_disagree_is_told_until_it_is_accepted(bank: Operated, what: str) -> None:
    statement, expected = TAMPERED[what]
    assert bank.schema.execute(statement) == 1
    assert found(bank, *ALL) == expected
    assert found(bank, *ALL, "--accept") == expected
    assert found(bank, *ALL) == {}


def test_an_account_that_others_may_write_may_be_active_again(bank: Operated) -> None:
    bank.schema.execute("UPDATE accounts SET active = 1")
    assert found(bank, "--accounts", "1-2,4") == {}
    assert found(bank) == {}


def test_a_fraud_that_was_open_during_an_audit_is_looked_at_by_the_next(bank: Operated) -> None:
    """Its alert has an id below the marks, and was not to be seen then."""
    alert = "INSERT INTO fraud_alerts (accounts_id, transfer_value, memo, time_stamp, event_id, applied_at) VALUES"
    with closing(bank.schema.connect()) as other, closing(other.cursor()) as cursor:
        cursor.execute(f"{alert} (4, 1, '', NOW(), 'x', UTC_TIMESTAMP(6))")
        bank.stream.put(data(payment(card(bank, OTHER), SHOP, 50, **STRANGE)))
        bank.consume()
        assert found(bank, *ALL) == {}
        other.commit()
    assert found(bank, *ALL) == {"alert_invented": 1}
