"""The invariants of a run, each checked from plain data: what was put, what the tables and letters hold now.

report = check(Run("byte-henry", messages, opening, final, letters))
assert report.ok, report
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from rich.table import Table

from pipeline.identity import letter_key
from tests.faults.facts import ACCEPTED, Facts, Run, Sighting, table_of
from tests.faults.tables import Tables
from tests.model.bank import floor
from tests.model.outcome import POTENTIAL_FRAUD, Violation
from tests.model.reading import Message, Skipped
from tests.model.replay import Applied, replay

__all__ = ["INVARIANTS", "Report", "Run", "Violation", "check"]

SECRET_COLUMNS = ("pin", "cvc1", "cvc2")


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
    outcomes = Counter(_outcomes(facts))
    found = [Violation(name, text) for name, invariant in INVARIANTS.items() for text in invariant(facts)]
    found += [Violation("I13", text) for text in _vacuous(facts, outcomes)]
    return Report(found, outcomes)


def money_is_conserved(facts: Facts) -> Iterator[str]:
    """I1. The sum of all balances, loans included, is the same in every snapshot."""
    opening = facts.run.opening.bank.money
    for name, tables in _moments(facts):
        if tables.bank.money != opening:
            yield f"{name}: the balances sum up to {tables.bank.money}, at the opening to {opening}"


def no_balance_below_its_floor(facts: Facts) -> Iterator[str]:
    """I2. No account is below its floor, or below its opening balance where that was lower; no loan is overpaid."""
    opening = facts.run.opening.bank
    for name, tables in _moments(facts):
        for key, account in tables.bank.accounts.items():
            if account["balance"] < min(floor(account), opening.accounts[key]["balance"]):
                yield f"{name}: account {key} is at {account['balance']}, below its floor {floor(account)}"
        for key, loan in tables.bank.loans.items():
            if loan["balance"] > max(Decimal(0), opening.loans[key]["balance"]):
                yield f"{name}: loan {key} is overpaid: {loan['balance']}"


def balances_are_opening_plus_rows(facts: Facts) -> Iterator[str]:
    """I3. In the end every balance is its opening plus what the accepted rows moved."""
    yield from _balance_differences(facts, facts.run.final)


def one_outcome_each(facts: Facts) -> Iterator[str]:
    """I4. Every event has one row, or no row and a letter; nothing else has either. A row outranks its letter."""
    for event, sightings in facts.events.items():
        rows = facts.rows_of.get(event, [])
        if not rows and facts.letter_of(event) is None:
            yield f"{sightings[0].name} has no outcome"
        elif len(rows) > 1:
            yield f"{sightings[0].name} has {len(rows)} rows"
        elif rows and rows[0][0] != table_of(sightings[0]):
            yield f"{sightings[0].name} has its row in {rows[0][0]}"
    for event, rows in facts.rows_of.items():
        if event not in facts.events:
            yield f"{len(rows)} rows in {rows[0][0]} of {event.hex() if event else 'no event'}, which was not put"
    keys = facts.run.letters.keys() - {letter_key(event) for event in facts.events.keys() | facts.settled}
    if keys:
        yield f"{len(keys)} letters of events that were not put, as {min(keys)}"


def no_row_without_its_effect(facts: Facts) -> Iterator[str]:
    """I9. Wherever a row is seen, so is its effect: balances moved; on fraud an alert and an inactive account."""
    for number, snapshot in enumerate(facts.run.snapshots):
        for text in _balance_differences(facts, snapshot.tables):
            yield f"snapshot {number}: {text}"
    for name, tables in _moments(facts):
        alerts = Counter(tables.alerts)
        for table, row in facts.new_rows(tables):
            fraud = table == "card_transactions" and row["status"] == POTENTIAL_FRAUD
            if alerts[row["event_id"]] != int(fraud):
                yield f"{name}: row {row['id']} of {table} has {alerts[row['event_id']]} fraud alerts"
            if fraud and tables.bank.accounts[facts.card_account(row)]["active"]:
                yield f"{name}: row {row['id']} is fraud and its account is active"


def no_secret_anywhere(facts: Facts) -> Iterator[str]:
    """I11. No marked secret is in any text, file or letter, and the three columns of new rows hold NULL."""
    run = facts.run
    for table, row in facts.new_rows(run.final):
        if table == "card_transactions" and any(row[column] is not None for column in SECRET_COLUMNS):
            yield f"row {row['id']} of card_transactions holds a PIN or a code"
    places: dict[str, str | bytes] = {**run.texts, **{f"letter {key}": repr(row) for key, row in run.letters.items()}}
    for name, text in places.items():
        yield from _secrets_in(facts, name, text.encode() if isinstance(text, str) else text)
    for path in run.files:
        yield from _secrets_in(facts, str(path), path.read_bytes())


def checkpoints_only_move_forward(facts: Facts) -> Iterator[str]:
    """No checkpoint goes back, and what lies behind one had its outcome when it was seen."""
    last = dict[str, tuple[int, int]]()
    for number, snapshot in enumerate(facts.run.snapshots):
        for shard, position in snapshot.checkpoints.items():
            if position < last.get(shard, position):
                yield f"snapshot {number}: the checkpoint of {shard} went back"
            last[shard] = position
        durable = {row["event_id"] for _, row in facts.new_rows(snapshot.tables)}
        for event, sightings in facts.events.items():
            where = sightings[0].record
            passed = where.shard in last and where.position <= last[where.shard]
            if passed and event not in durable and facts.letter_of(event) is None:
                yield f"snapshot {number}: {sightings[0].name} is behind the checkpoint without an outcome"


def the_model_agrees(facts: Facts) -> Iterator[str]:
    """I14. Replayed in the order of application, the model gives every row, every balance and every letter alike."""
    rows = [(table, row) for table, row in facts.new_rows(facts.run.final) if row["event_id"] in facts.events]
    rows.sort(key=lambda row: (row[1]["applied_at"], row[1]["id"]))
    applied = []
    for table, row in rows:
        origin = _origin(facts.events[row["event_id"]], row).record
        applied.append(Applied(table, row, row["event_id"], origin.data, origin.arrived))
    rowless = [
        sighting.record.data
        for event, sightings in facts.events.items()
        if event not in facts.rows_of
        for sighting in sightings
        if not sighting.record.flaw
    ]
    run = facts.run
    for violation in replay(run.opening.bank, applied, rowless, run.final.bank, run.sampled, run.settings):
        yield violation.text


INVARIANTS: dict[str, Callable[[Facts], Iterator[str]]] = {
    "I1": money_is_conserved,
    "I2": no_balance_below_its_floor,
    "I3": balances_are_opening_plus_rows,
    "I4": one_outcome_each,
    "I9": no_row_without_its_effect,
    "I11": no_secret_anywhere,
    "checkpoints": checkpoints_only_move_forward,
    "I14": the_model_agrees,
}


def _vacuous(facts: Facts, outcomes: Counter[tuple[str, str]]) -> Iterator[str]:
    """I13. The run shows something: rows were accepted, snapshots fell into it, searches had something to search."""
    run = facts.run
    if not any(outcome == str(ACCEPTED) for _, outcome in outcomes):
        yield "no message was accepted"
    for kind, outcome in run.must_happen:
        if not outcomes[kind, outcome]:
            yield f"no {kind} had the outcome {outcome}"
    written = sum(1 for _ in facts.new_rows(run.final))
    if run.snapshots and not any(0 < sum(1 for _ in facts.new_rows(s.tables)) < written for s in run.snapshots):
        yield "no snapshot was taken while rows were being written"
    if run.secrets and not run.texts and not run.files:
        yield "there was nothing to search for secrets"


def _moments(facts: Facts) -> Iterator[tuple[str, Tables]]:
    for number, snapshot in enumerate(facts.run.snapshots):
        yield f"snapshot {number}", snapshot.tables
    yield "in the end", facts.run.final


def _balance_differences(facts: Facts, tables: Tables) -> Iterator[str]:
    moved = facts.moved(tables)
    opening, now = facts.run.opening.bank, tables.bank
    for table, before, after in (("accounts", opening.accounts, now.accounts), ("loans", opening.loans, now.loans)):
        for key in before.keys() & after.keys():
            due = before[key]["balance"] + moved[table, key]
            if after[key]["balance"] != due:
                yield f"{table} {key}: the balance is {after[key]['balance']}, opening and rows make {due}"


def _secrets_in(facts: Facts, name: str, content: bytes) -> Iterator[str]:
    for number, secret in enumerate(facts.run.secrets):
        if secret.encode() in content:
            yield f"{name} holds the marked secret {number}"


def _origin(sightings: list[Sighting], row: dict[str, object]) -> Sighting:
    """The message that the row was made of: of several with one id, the first that says what the row says."""
    for sighting in sightings:
        if isinstance(sighting.said, Message):
            changed = {*SECRET_COLUMNS, "high", "low"}
            said = {name: value for name, value in sighting.said.values.items() if name not in changed}
            if all(row.get(name) == value for name, value in said.items()):
                return sighting
    return sightings[0]


def _outcomes(facts: Facts) -> Iterator[tuple[str, str]]:
    """(type, outcome) of every message put."""
    told = set(facts.settled)
    for sighting in facts.sightings:
        kind, event = sighting.said.type or "", sighting.identity
        rows, letter = facts.rows_of.get(event), facts.letter_of(event)
        if isinstance(sighting.said, Skipped):
            yield kind, "skipped"
        elif event in told:
            yield kind, "repeat"
        elif rows:
            yield kind, str(rows[0][1]["status"])
        else:
            yield kind, f"letter:{letter['reason']}" if letter else "none"
        told.add(event)
