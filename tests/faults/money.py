"""What must hold of balances: I1, I2, I3, I9."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal

from tests.faults.facts import ACCEPTED, Facts
from tests.faults.tables import Tables
from tests.model.bank import Columns, floor
from tests.model.outcome import POTENTIAL_FRAUD


def money_is_conserved(facts: Facts) -> Iterator[str]:
    """I1. The sum of all balances, loans included, is the same in every snapshot."""
    opening = facts.run.opening.bank.money
    for name, tables in facts.moments():
        if tables.bank.money != opening:
            yield f"{name}: the balances sum up to {tables.bank.money}, at the opening to {opening}"


def no_balance_below_its_floor(facts: Facts) -> Iterator[str]:
    """I2. No account is below its floor, or below its opening balance where that was lower; no loan is overpaid."""
    opening = facts.run.opening.bank
    for name, tables in facts.moments():
        paid_loans = {row["account_id"] for row in tables.rows["loan_payments"] if row["status"] == ACCEPTED}
        for key, account in tables.bank.accounts.items():
            lowest = _lowest(account, paid_loans=key in paid_loans)
            if account["balance"] < min(lowest, opening.accounts[key]["balance"]):
                yield f"{name}: account {key} is at {account['balance']}, below its floor {lowest}"
        for key, loan in tables.bank.loans.items():
            if loan["balance"] > max(Decimal(0), opening.loans[key]["balance"]):
                yield f"{name}: loan {key} is overpaid: {loan['balance']}"


def balances_are_opening_plus_rows(facts: Facts) -> Iterator[str]:
    """I3. In the end every balance is its opening plus what the accepted rows moved."""
    yield from _balance_differences(facts, facts.run.final)


def no_row_without_its_effect(facts: Facts) -> Iterator[str]:
    """I9. Wherever a row is seen, so is its effect: balances moved; on fraud an alert and an inactive account."""
    for number, snapshot in enumerate(facts.run.snapshots):
        for text in _balance_differences(facts, snapshot.tables):
            yield f"snapshot {number}: {text}"
    for name, tables in facts.moments():
        alerts = Counter(tables.alerts)
        for table, row in facts.new_rows(tables):
            fraud = table == "card_transactions" and row["status"] == POTENTIAL_FRAUD
            if alerts[row["event_id"]] != int(fraud):
                yield f"{name}: row {row['id']} of {table} has {alerts[row['event_id']]} fraud alerts"
            if fraud and tables.bank.accounts[facts.card_account(row)]["active"]:
                yield f"{name}: row {row['id']} is fraud and its account is active"


def _lowest(account: Columns, *, paid_loans: bool) -> Decimal:
    """A loan payment looks at the balance alone: it may go through a floor above zero, down to zero."""
    return min(floor(account), Decimal(0)) if paid_loans else floor(account)


def _balance_differences(facts: Facts, tables: Tables) -> Iterator[str]:
    moved = facts.moved(tables)
    opening, now = facts.run.opening.bank, tables.bank
    for table, before, after in (("accounts", opening.accounts, now.accounts), ("loans", opening.loans, now.loans)):
        for key in before.keys() & after.keys():
            due = before[key]["balance"] + moved[table, key]
            if after[key]["balance"] != due:
                yield f"{table} {key}: the balance is {after[key]['balance']}, opening and rows make {due}"
