"""Hostile input at volume: whatever hypothesis comes up with has the outcome that the model gives it, and only that."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from random import Random, randrange

import pytest
from hypothesis import HealthCheck, given, settings

from card_transactions.fraud import sampled
from pipeline.messages.records import Record
from tests.faults.checker import check
from tests.faults.facts import Run
from tests.faults.tables import Tables, read_letters, read_tables
from tests.integration.messages import record, transfer
from tests.integration.small_bank import NOBODY, SmallBank
from tests.model.reading import Message, Unreadable, read
from tests.schema import Schema
from tests.unit.alike import differences
from tests.unit.hostile import Numbers, examples, hostile

SMOKE, SOAK = 1_000, 20_000
VOLUMES = [SMOKE, pytest.param(SOAK, marks=[pytest.mark.soak, pytest.mark.timeout(1800)])]
"""Messages: in every run of the tests, the same ones each time; and in `make faults`, others each time."""
A_BATCH = 500
ACCOUNTS = 12
RICH, PENNILESS = 12, 2
CHUNKS = 12


@pytest.fixture(autouse=True)
def _no_garbage() -> Iterator[None]:
    """What is there already need not be looked at: hypothesis makes much garbage, and half its time went there."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def a_seed(number: int) -> int:
    return 1 if number == SMOKE else randrange(2**32)


@pytest.fixture
def bank(database: Schema, moto: str) -> SmallBank:
    """Twelve accounts with cards and loans: rich, poor, in debt, closed, full, and some of a wrong kind."""
    bank = SmallBank(database, moto, partitions=2, lanes=3, chunk_size=20)
    balances = ("1000.00", "20.00", "0.00", "-300.00", "99999999.99", "5000.00")
    for number in range(1, ACCOUNTS + 1):
        limit = -500 if number % 6 == 4 else None
        kind, active = ("Loan" if number == 6 else "Checking"), number != 11
        bank.account(balances[number % len(balances)], limit, kind=kind, active=active, number=number)
        bank.card(number, number=4_000_000_000_000_000 + number)
        bank.loan(f"-{number * 400}.00", active=number != 3, number=number)
    return bank


def numbers() -> Numbers:
    accounts = (*range(1, ACCOUNTS + 1), NOBODY)
    some = dict.fromkeys(
        ("origin_accounts_id", "destination_accounts_id", "account_id", "merchant_account_id", "loan_id"), accounts
    )
    return {**some, "card_num": tuple(4_000_000_000_000_000 + account for account in accounts)}


def tables(bank: SmallBank) -> Tables:
    with closing(bank.schema.connect()) as connection:
        return read_tables(connection)


@pytest.mark.parametrize("number", VOLUMES)
def test_whatever_is_sent_is_read_as_the_model_reads_it(number: int) -> None:
    @settings(
        max_examples=number,
        derandomize=number == SMOKE,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(hostile(numbers()))
    def alike(data: bytes) -> None:
        assert not list(differences(data))

    alike()


@pytest.mark.parametrize("number", VOLUMES)
def test_whatever_is_sent_has_one_outcome_and_it_is_the_model_s(bank: SmallBank, number: int) -> None:
    seed = a_seed(number)
    print(f"seed {seed}")  # shown where it fails
    messages = examples(hostile(numbers()), number, seed)
    said = [read(data) for data in messages]
    assert sum(isinstance(one, Message) for one in said) > number // 10
    assert sum(isinstance(one, Unreadable) for one in said) > number // 3
    records, opening = [record(data) for data in messages], tables(bank)
    for first in range(0, len(records), A_BATCH):
        bank.apply(*records[first : first + A_BATCH])
    bank.apply(*records[: A_BATCH // 2])
    run = Run(
        bank.partition.dead_letters.stream,
        records,
        opening,
        tables(bank),
        read_letters(bank.aws.client("dynamodb"), bank.partition.dead_letters.table),
        sampled=lambda event: sampled(event, Decimal("0.1")),
    )
    report = check(run)
    assert report.ok, report


def test_a_batch_of_nothing_but_poison_is_as_many_letters(bank: SmallBank) -> None:
    messages = [data for data in examples(hostile(numbers()), SMOKE, 2) if isinstance(read(data), Unreadable)]
    before = tables(bank)
    records = [record(data) for data in messages]
    report = bank.apply(*records)
    assert {outcome.partition(":")[0] for _, outcome in report.outcomes} <= {"letter", "duplicate"}
    assert tables(bank) == before
    assert len(bank.letters()) == len({outcome_key(bank, one) for one in records}) > SMOKE * 0.7


def outcome_key(bank: SmallBank, one: Record) -> bytes:
    return bank.partition.router.interpret(one).identity  # type: ignore[union-attr]


@pytest.mark.parametrize("share", ["one in each chunk", "all of them"])
def test_poison_that_only_the_database_notices_takes_no_neighbour_along(bank: SmallBank, share: str) -> None:
    bank.schema.execute("ALTER TABLE transactions ADD CONSTRAINT poison CHECK (memo <> 'poison')")
    random, chunk = Random(3), bank.partition.chunk_size
    memos = []
    for _ in range(CHUNKS):
        place = random.randrange(chunk)
        memos += ["poison" if share == "all of them" or number == place else "rent" for number in range(chunk)]
    records = [record(transfer(RICH, PENNILESS, memo=memo)) for memo in memos]
    bank.apply(*records)
    refused = [f"letter:refused_by_database: database error {bank.schema.check_failed}"]
    assert bank.outcomes(records) == [refused if memo == "poison" else ["1"] for memo in memos]
    assert bank.balances(PENNILESS) == [f"{memos.count('rent')}.00"]
