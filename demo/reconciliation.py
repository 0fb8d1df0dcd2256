"""Stream against database, after the run: every message, every balance, and an independent model of the rules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.table import Table

from card_transactions.fraud import FraudWeights, sampled
from demo.stage import LEASES, LETTERS, STREAM, Stage
from demo.view import in_words
from producers.kinesis import Sent
from tests.faults.checker import INVARIANTS, Report, check
from tests.faults.facts import Run
from tests.faults.tables import (
    WRITTEN,
    Snapshot,
    Tables,
    read_arrivals,
    read_checkpoints,
    read_letters,
    read_tables,
)
from tests.model.outcome import Violation

CARDS_LOOKED_FOR: Final = 300
"""Card numbers that are searched for in the letters and in the job's log."""


@dataclass(frozen=True)
class Reconciliation:
    """What the checker says of the run, and the sum of all balances before and after it."""

    report: Report
    before: Decimal
    after: Decimal

    @property
    def sentence(self) -> str:
        money = f"{self.before:,.2f} in all balances before and after"
        if self.before != self.after:
            money = f"{self.before:,.2f} in all balances before, {self.after:,.2f} after"
        return (
            f"{self.report.outcomes.total():,} messages: {in_words(self.report.outcomes)}; money: {money}; "
            f"{len(self.report.violations):,} violations"
        )

    def table(self) -> Table:
        """What was checked, and how often it was not so."""
        table = Table("checked, of the whole run", "violations", box=SIMPLE_HEAD)
        table.columns[1].justify = "right"
        found = Counter(violation.invariant for violation in self.report.violations)
        for name, invariant in INVARIANTS.items():
            claim = " ".join((invariant.__doc__ or name).removeprefix(f"{name}. ").split())
            table.add_row(claim, f"{found.pop(name, 0):,}")
        for name, count in found.items():
            table.add_row(name, f"{count:,}")
        return table


def take_snapshot(stage: Stage) -> Snapshot:
    """Checkpoints and tables as they stand while the job runs."""
    checkpoints = read_checkpoints(stage.client("dynamodb"), LEASES)
    letters = frozenset(read_letters(stage.client("dynamodb"), LETTERS))
    return Snapshot(read_tables(stage.database.connect()), checkpoints, letters)


def reconcile(
    stage: Stage, sent: Sent, opening: Tables, snapshots: Sequence[Snapshot], counted: int, log: str
) -> Reconciliation:
    """Hold everything that was put against everything that is there.

    `counted`: messages that the job says it has dealt with. `log`: all that it printed.
    """
    final = read_tables(stage.database.connect())
    run = Run(
        STREAM,
        read_arrivals(stage.client("kinesis"), STREAM, sent.records),
        opening,
        final,
        read_letters(stage.client("dynamodb"), LETTERS),
        [snapshot for snapshot in snapshots if _rows(snapshot.tables) < _rows(final)],
        secrets=[str(card) for card in list(opening.bank.cards)[:CARDS_LOOKED_FOR]],
        texts={"the job's log": log},
        sampled=lambda event: sampled(event, FraudWeights().sample_chance),
        checkpoints=read_checkpoints(stage.client("dynamodb"), LEASES),
        least=1,  # the user says how many
    )
    report = check(run)
    if counted != len(sent.records):
        text = f"the job tells of {counted:,} messages, {len(sent.records):,} were put"
        report.violations.append(Violation("what the job tells", text))
    return Reconciliation(report, opening.bank.money, final.bank.money)


def _rows(tables: Tables) -> int:
    return sum(len(tables.rows[table]) for table in WRITTEN)
