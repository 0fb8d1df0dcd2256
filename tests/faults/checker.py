"""The invariants of a run, each checked from plain data: what was put, what the tables and letters hold now.

report = check(Run("byte-henry", messages, opening, final, letters))
assert report.ok, report
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from rich.table import Table

from tests.faults.delivery import no_secret_anywhere, one_mail_each, one_outcome_each, the_model_agrees
from tests.faults.facts import ACCEPTED, Facts, Run
from tests.faults.money import (
    balances_are_opening_plus_rows,
    money_is_conserved,
    no_balance_below_its_floor,
    no_row_without_its_effect,
)
from tests.faults.progress import (
    a_lost_lease_ends_it,
    checkpoints_only_move_forward,
    nothing_is_passed_by,
    order_per_key,
    the_lag_is_gone,
)
from tests.model.outcome import Violation

__all__ = ["INVARIANTS", "Report", "Run", "Violation", "check"]


@dataclass(frozen=True)
class Report:
    """`outcomes`: (type, outcome) → messages; an outcome is a status ("1"), "letter:reason", "skipped", "repeat" (of
    an event that has its outcome already) or "none"; the type is "" where the message names none that is known."""

    violations: list[Violation]
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)

    @property
    def ok(self) -> bool:
        return not self.violations

    def __str__(self) -> str:
        lines = [f"{violation.invariant}: {violation.text}" for violation in self.violations[:50]]
        more = len(self.violations) - len(lines)
        return "\n".join(lines + [f"... and {more} more"] * bool(more)) or "no violation"

    def table(self) -> Table:
        """The outcomes, to print."""
        table = Table("type", "outcome", "messages", title=f"{self.outcomes.total():,} messages, each one outcome")
        table.columns[2].justify = "right"
        for (kind, outcome), count in sorted(self.outcomes.items()):
            table.add_row(kind or "(unknown)", outcome, f"{count:,}")
        return table


def check(run: Run) -> Report:
    """Every violation of every invariant. The run has to be over: everything that was put has been read."""
    facts = Facts(run)
    found = [Violation(name, text) for name, invariant in INVARIANTS.items() for text in invariant(facts)]
    return Report(found, facts.outcomes)


def the_run_shows_something(facts: Facts) -> Iterator[str]:
    """I13. Enough was put, rows were accepted, snapshots fell into the run, every fault fired, searches had a text."""
    run = facts.run
    if len(run.messages) < run.least:
        yield f"only {len(run.messages)} messages were put, {run.least} are the least"
    if not any(outcome == str(ACCEPTED) for _, outcome in facts.outcomes):
        yield "no message was accepted"
    for kind, outcome in run.must_happen:
        if not facts.outcomes[kind, outcome]:
            yield f"no {kind} had the outcome {outcome}"
    for fault, hits in run.hits.items():
        if not hits:
            yield f"the fault never fired: {fault}"
    written = sum(1 for _ in facts.new_rows(run.final))
    if run.snapshots and not any(0 < sum(1 for _ in facts.new_rows(s.tables)) < written for s in run.snapshots):
        yield "no snapshot was taken while rows were being written"
    if run.secrets and not run.texts and not run.files:
        yield "there was nothing to search for secrets"


INVARIANTS: dict[str, Callable[[Facts], Iterator[str]]] = {
    "I1": money_is_conserved,
    "I2": no_balance_below_its_floor,
    "I3": balances_are_opening_plus_rows,
    "I4": one_outcome_each,
    "I5": nothing_is_passed_by,
    "I6": checkpoints_only_move_forward,
    "I7": a_lost_lease_ends_it,
    "I8": order_per_key,
    "I9": no_row_without_its_effect,
    "I10": one_mail_each,
    "I11": no_secret_anywhere,
    "I12": the_lag_is_gone,
    "I13": the_run_shows_something,
    "I14": the_model_agrees,
}
