"""What nobody should send: each such message has exactly one outcome, and costs no good neighbour its place."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

import pytest

from pipeline.messages.identity import identity
from pipeline.messages.records import Record
from tests.integration.bad_messages import CASES, MIB, MOVED, STORED, Holder
from tests.integration.messages import record, transfer
from tests.integration.small_bank import SmallBank
from tests.model.bank import Columns
from tests.model.outcome import TABLES
from tests.schema import Schema


@dataclass(frozen=True)
class State:
    """All rows by table, all letters by key."""

    rows: dict[str, list[Columns]]
    letters: dict[int, Columns]


@dataclass(frozen=True)
class Run:
    """Every case between two good transfers of its account, applied in one batch, and then once more."""

    holders: dict[str, Holder]
    records: dict[str, list[Record]]
    outcomes: dict[str, list[list[str]]]
    balances: dict[int, Decimal]
    once: State
    twice: State


def state(bank: SmallBank) -> State:
    tables = (*TABLES.values(), "fraud_alerts", "accounts", "loans")
    return State({table: bank.rows(table) for table in tables}, bank.letters())


@pytest.fixture(scope="module")
def run(migrated: Schema, moto: str) -> Iterator[Run]:
    schema = migrated.copy("bad_input")
    bank = SmallBank(schema, moto, partitions=2, lanes=3, chunk_size=7)
    holders, records = {}, {}
    for name, (make, _) in CASES.items():
        account, other = bank.account("100.00"), bank.account("0.00")
        who = holders[name] = Holder(account, other, bank.card(account), bank.loan())
        good = transfer(account, other)
        records[name] = [record(good), record(make(who)), record(good)]
    batch = [one for three in records.values() for one in three]
    bank.apply(*batch)
    once = state(bank)
    bank.apply(*batch)
    outcomes = iter(bank.outcomes(batch))
    by_case = {name: [next(outcomes) for _ in three] for name, three in records.items()}
    balances = {row["id"]: row["balance"] for row in once.rows["accounts"]}
    yield Run(holders, records, by_case, balances, once, state(bank))
    schema.drop()


def is_row(outcome: str) -> bool:
    return outcome.lstrip("-").isdigit()


@pytest.mark.parametrize("name", CASES)
def test_a_bad_message_has_one_outcome_and_its_neighbours_keep_theirs(run: Run, name: str) -> None:
    expected = CASES[name][1]
    assert run.outcomes[name] == [["1"], [expected if is_row(expected) else f"letter:{expected}"], ["1"]]
    spent = Decimal(MOVED.get(name, 1 if expected == "1" else 0))
    assert run.balances[run.holders[name].account] == 98 - spent


@pytest.mark.parametrize("name", [name for name, (_, outcome) in CASES.items() if is_row(outcome)])
def test_what_is_a_row_holds_what_was_sent(run: Run, name: str) -> None:
    sent = run.records[name][1]
    fields = json.loads(sent.data.decode("utf-8-sig"))
    event = identity("byte-henry", sent, fields["type"], fields.get("id"))
    (row,) = (row for row in run.once.rows[TABLES[fields["type"]]] if row["event_id"] == event)
    wanted = {**({"memo": fields["memo"]} if "memo" in fields else {}), **STORED.get(name, {})}
    assert {column: row[column] for column in wanted} == wanted


def test_there_is_one_letter_or_row_for_each_message(run: Run) -> None:
    rows = sum(len(run.once.rows[table]) for table in TABLES.values())
    assert rows + len(run.once.letters) == 3 * len(CASES)


def test_applying_everything_again_changes_nothing_but_the_attempts_of_letters(run: Run) -> None:
    assert run.twice.rows == run.once.rows
    told_again = {"attempts": 2, "last_seen": None}
    before = {key: {**letter, **told_again} for key, letter in run.once.letters.items()}
    assert {key: {**letter, "last_seen": None} for key, letter in run.twice.letters.items()} == before


def test_letters_are_small_whatever_the_message_was(run: Run) -> None:
    assert max(len(repr(letter)) for letter in run.once.letters.values()) < 5_000
    sizes = {letter["size"] for letter in run.once.letters.values()}
    assert max(sizes) > 10 * MIB
