"""The bank as one chunk sees it: locked rows, and the decisions of the chunk so far."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from operator import attrgetter
from typing import Any, TypeVar

from bank.holdings import Account, Card, Loan
from bank.needs import Needs, Spent, Window
from bank.statuses import NO_ACCOUNT, NO_LOAN
from bank.verdict import Effect, Spending, spent_within
from pipeline.applying.domain import Decision, MoreNeeded
from pipeline.messages.records import Event
from pipeline.runtime.errors import Rejected

H = TypeVar("H", Account, Loan)


class Ledger:
    """Fulfils the engine's `State`. Everything in it is locked in the database until the chunk commits."""

    def __init__(
        self,
        cards: Mapping[int, Card],
        accounts: Mapping[int, Account],
        loans: Mapping[int, Loan],
        locked_at: datetime | None = None,
    ) -> None:
        self.locked_at = locked_at
        self._cards = cards
        self._opening = (accounts, loans)
        self._windows: dict[Window, Spent] = {}
        self.restart()

    def restart(self) -> None:
        """Forget every decision of this chunk, keep what was loaded."""
        accounts, loans = self._opening
        self._accounts = dict(accounts)
        self._loans = dict(loans)
        self._spendings: dict[int, list[Spending]] = {}

    def apply(self, event: Event[Any], decision: Decision) -> None:
        """Let later decisions of the chunk see this one."""
        self.remember(decision.effects)

    def remember(self, effects: Iterable[Effect]) -> None:
        """As `apply`, of what a decision does."""
        for effect in effects:
            if isinstance(effect, Account):
                self._accounts[effect.id] = effect
            elif isinstance(effect, Loan):
                self._loans[effect.id] = effect
            else:
                self._spendings.setdefault(effect.card, []).append(effect)

    def remember_windows(self, windows: Mapping[Window, Spent]) -> None:
        """Sums read from the database, under the lock of their cards."""
        self._windows.update(windows)

    def card(self, number: int) -> Card | None:
        """The card, or None where there is none."""
        return self._cards.get(number)

    def funds_of(self, number: int) -> Decimal:
        """Available funds of the card's account; infinite where there is no such card or account."""
        card = self._cards.get(number)
        account = self._accounts.get(card.account_id) if card else None
        return account.funds if account else Decimal("Infinity")

    def account(self, account_id: int, field: str, reason: str = NO_ACCOUNT) -> Account:
        """The account as it is after the decisions so far. Raises `Rejected(reason, field)` where there is none."""
        try:
            return self._accounts[account_id]
        except KeyError:
            raise Rejected(reason, field) from None

    def loan(self, loan_id: int, field: str) -> Loan:
        """The loan as it is after the decisions so far. Raises `Rejected` where there is none."""
        try:
            return self._loans[loan_id]
        except KeyError:
            raise Rejected(NO_LOAN, field) from None

    def spent(self, window: Window) -> Spent:
        """Accepted spending of the card, rows and this chunk's decisions. Raises `MoreNeeded` for sums not read yet."""
        spent = self._windows.get(window)
        if spent is None:
            raise MoreNeeded(Needs(windows=(window,)))
        spendings = self._spendings.get(window.card)
        return spent_within(window, spent, spendings) if spendings else spent

    def changed_accounts(self) -> list[Account]:
        """Accounts that differ from what was loaded, by id."""
        return _changed(self._opening[0], self._accounts)

    def changed_loans(self) -> list[Loan]:
        """Loans that differ from what was loaded, by id."""
        return _changed(self._opening[1], self._loans)


def _changed(opening: Mapping[int, H], holdings: Mapping[int, H]) -> list[H]:
    changed = [holding for key, holding in holdings.items() if holding is not opening.get(key)]
    changed.sort(key=attrgetter("id"))
    return changed
