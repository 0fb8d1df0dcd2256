"""No money is lost or doubled: chunks that are refused in part, two drivers at once, connections killed at random."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import mysql.connector
import pytest

from bank.ledger import Ledger
from bank.needs import Needs
from bank.tables import BankStore
from card_transactions.fraud import sampled
from pipeline.messages.records import Record
from pipeline.mysql.database import Transaction
from tests.faults.checker import check
from tests.faults.facts import Run
from tests.faults.tables import Tables, read_tables
from tests.integration.messages import NOW, loan_payment, payment, quote, record, transfer
from tests.integration.small_bank import NOBODY, SmallBank
from tests.schema import Schema

FOREVER = date(9999, 12, 31)
STATEMENTS = ("Com_insert", "Com_update_multi", "Com_update", "Com_commit", "Com_select")


@pytest.fixture
def bank(database: Schema, moto: str) -> SmallBank:
    return SmallBank(database, moto)


def statements(schema: Schema) -> dict[str, int]:
    """How many of each kind the server has seen."""
    seen = schema.query("SHOW GLOBAL STATUS LIKE 'Com_%'")
    return {name: int(count) for name, count in seen if name in STATEMENTS}


def test_a_chunk_is_one_statement_a_table_however_many_its_messages(bank: SmallBank) -> None:
    owner, shop = bank.account("1000.00"), bank.account()
    card, loan = bank.card(owner), bank.loan()
    four = (transfer(owner, shop, 0.01), payment(card, shop, 0.01), loan_payment(loan, owner, 0.01), quote())
    counts = []
    for chunk in ([record(message) for message in four], [record(message) for message in four * 100]):
        before = statements(bank.schema)
        bank.apply(*chunk)
        after = statements(bank.schema)
        counts.append({name: after[name] - before[name] for name in STATEMENTS if name != "Com_select"})
        looks = after["Com_select"] - before["Com_select"]
        assert looks < 16, "a look at the database for each message"
    assert counts[0] == counts[1]
    assert (counts[1]["Com_insert"], counts[1]["Com_update_multi"] + counts[1]["Com_update"]) == (4, 2)


def test_a_row_that_the_database_refuses_is_a_letter_and_the_rest_of_its_chunk_applies_in_order(
    bank: SmallBank,
) -> None:
    bank.schema.execute("ALTER TABLE card_transactions ADD CONSTRAINT unlucky CHECK (transfer_value <> 13.13)")
    bank.schema.execute("ALTER TABLE accounts ADD CONSTRAINT deepest CHECK (balance >= -10)")
    owner, other = bank.account("20.00"), bank.account("0.00", limit=-100)
    card = bank.card(owner)
    sent = [
        record(transfer(other, owner, 10)),
        record(payment(card, other, 13.13)),
        record(transfer(other, owner, 0.01)),
        record(transfer(owner, other, 30)),
        record(payment(card, other, 13.14, cvc2=1)),
        record(transfer(owner, other, 0.01)),
    ]
    bank.apply(*sent)
    refused = [f"letter:refused_by_database: database error {bank.schema.check_failed}"]
    assert bank.outcomes(sent) == [["1"], refused, refused, ["1"], ["-1"], ["-1"]]
    assert bank.balances(owner, other) == ["0.00", "20.00"]


def test_a_payment_by_no_card_is_a_letter_where_a_foreign_key_forbids_its_row(bank: SmallBank) -> None:
    bank.schema.execute("ALTER TABLE card_transactions ADD FOREIGN KEY (card_num) REFERENCES cards (card_num)")
    owner, shop = bank.account(), bank.account()
    sent = [record(payment(number, shop)) for number in (bank.card(owner), NOBODY)]
    bank.apply(*sent)
    assert bank.outcomes(sent) == [["1"], ["letter:refused_by_database: database error 1452"]]


def test_a_row_without_a_parent_is_a_letter_where_the_server_keeps_the_parent_s_table_to_itself(
    bank: SmallBank,
) -> None:
    """1216: what MySQL's manual has in place of 1452 for a user without rights on the parent's whole table, as ours."""
    bank.schema.execute(
        "CREATE TRIGGER parentless BEFORE INSERT ON card_transactions FOR EACH ROW"
        " IF NEW.status = -7 THEN SIGNAL SQLSTATE '23000' SET MYSQL_ERRNO = 1216; END IF"
    )
    owner, shop = bank.account(), bank.account()
    sent = [record(payment(number, shop)) for number in (bank.card(owner), NOBODY)]
    bank.apply(*sent)
    assert bank.outcomes(sent) == [["1"], ["letter:refused_by_database: database error 1216"]]


def test_a_memo_that_reads_like_a_command_of_a_client_is_stored_as_it_was_sent(bank: SmallBank) -> None:
    owner, other = bank.account(), bank.account()
    memos = ["DELIMITER ; '", "a; b # c -- d /* e */", "delimiter $$ '", "$$ DROP TABLE stocks $$"]
    sent = [record(transfer(owner, other, memo=memo)) for memo in memos]
    bank.apply(*sent)
    assert bank.outcomes(sent) == [["1"]] * 4
    assert sorted(row["memo"] for row in bank.rows("transactions")) == sorted(memos)


def test_what_became_a_row_stays_one_when_it_is_read_again_though_the_rules_would_refuse_it_now(
    bank: SmallBank,
) -> None:
    owner, other = bank.account(), bank.account()
    first = record(transfer(owner, other, 10))
    bank.apply(first)
    bank.schema.execute(f"DELETE FROM accounts WHERE id = {other}")
    later = record(transfer(owner, other, 10))
    bank.apply(first, later)
    assert bank.outcomes([first, later]) == [["1"], ["letter:no_account: destination_accounts_id"]]
    assert bank.balances(owner) == ["90.00"]


def test_ids_at_the_ends_of_their_ranges_are_found(bank: SmallBank) -> None:
    highest, zero = bank.account(number=NOBODY), bank.account(number=0)
    card, free = bank.card(highest, number=9_999_999_999_999_999), bank.card(zero, number=0)
    loan = bank.loan(number=NOBODY)
    sent = [
        record(transfer(highest, zero, 1)),
        record(payment(card, zero, 2)),
        record(payment(free, highest, 4)),
        record(loan_payment(loan, highest, 8)),
        record(payment(card - 1, zero, 16)),
    ]
    bank.apply(*sent)
    assert bank.outcomes(sent) == [["1"], ["1"], ["1"], ["1"], ["-7"]]
    assert bank.balances(highest, zero) == ["93.00", "99.00"]
    assert bank.owed(loan) == "-72.00"


def test_a_batch_that_waits_too_long_for_a_lock_has_done_nothing_and_applies_later(bank: SmallBank) -> None:
    owner, other = bank.account(), bank.account()
    sent = [record(quote()), record(transfer(owner, other, memo=None)), record(transfer(owner, other))]
    with closing(bank.schema.connect()) as connection, closing(connection.cursor()) as cursor:
        cursor.execute("SELECT id FROM accounts WHERE id = %s FOR UPDATE", (other,))
        cursor.fetchall()
        (report,) = bank.try_to_apply(sent, deadline=0.0)
        assert (report.fate, report.failure) == ("Transient", "database error 1205")
        assert (bank.rows("stocks"), bank.letters()) == ([], {})
    bank.apply(*sent)
    assert bank.outcomes(sent) == [["1"], ["letter:missing_field: memo"], ["1"]]


@dataclass(frozen=True)
class Patient(BankStore):
    """Counts how often a chunk had to be decided again."""

    rounds: list[int]

    def extend(self, transaction: Transaction, state: Ledger, needs: Iterable[Needs]) -> None:
        self.rounds.append(1)
        super().extend(transaction, state, needs)


def test_a_chunk_that_is_decided_again_and_again_ends_as_its_messages_would_one_by_one(
    database: Schema, moto: str
) -> None:
    """Each payment is odd only because of those before it, so each asks for the card's spending anew."""
    results = []
    for chunk_size in (500, 1):
        bank, store = SmallBank(database, moto, chunk_size=chunk_size), Patient([])
        owner, shop = bank.account("1000000.00"), bank.account("0.00")
        card, left, sent = bank.card(owner), Decimal(1_000_000), []
        for number in range(30):
            amount = (left * Decimal("0.300001")).quantize(Decimal("0.01"))
            left -= amount
            sent.append(record(payment(card, shop, float(amount)), NOW + timedelta(milliseconds=number)))
        (report,) = bank.try_to_apply(sent, store=store)
        assert report.failure is None
        results.append((bank.outcomes(sent), bank.balances(owner, shop), len(store.rounds)))
    assert results[0][:2] == results[1][:2]
    assert results[0][2] > 5


class Attack:
    """Few accounts that everybody wants, and messages about them, some of them twice."""

    def __init__(self, bank: SmallBank, messages: int) -> None:
        self.bank, self.random = bank, Random(7)
        one_of = self.random.choice
        self.accounts = [bank.account("500.00", one_of([None, 0, -50, -100])) for _ in range(6)]
        self.cards = [bank.card(account, expires=FOREVER) for account in self.accounts[:4]]
        self.loans = [bank.loan("-300.00") for _ in range(3)]
        self.sent = [self._record(number) for number in range(messages)]
        self.kills = 0
        self._over = threading.Event()

    def _record(self, number: int) -> Record:
        draw, one_of = self.random.random, self.random.choice
        amount, share = round(draw() ** 3 * 60, 4), draw()
        ids: dict[str, Any] = {"id": self.random.randrange(500)} if draw() < 0.3 else {}
        if share < 0.45:
            said = transfer(*self._two(), amount, **ids)
        elif share < 0.8:
            strange = {"cvc2": None, "location": "DE"} if draw() < 0.01 else {}
            said = payment(one_of(self.cards), one_of(self.accounts), amount / 4, **ids, **strange)
        else:
            said = loan_payment(one_of(self.loans), one_of(self.accounts), amount / 4, **ids)
        return record(said, NOW + timedelta(milliseconds=number), shard=one_of(["a", "b"]))

    def _two(self) -> tuple[int, int]:
        one, other = self.random.sample(self.accounts, 2)
        return one, other

    def drive(self, records: list[Record], lanes: int) -> None:
        """Apply, and again where the batch stopped, as the next tick would. A number of lanes has a pool of its own."""
        while any(report.failure for report in self.bank.try_to_apply(records, lanes=lanes)):
            pass

    def kill(self) -> None:
        """End connections at random moments until it is over."""
        with closing(self.bank.schema.connect(autocommit=True)) as connection, closing(connection.cursor()) as cursor:
            while not self._over.wait(self.random.random() * 0.05):
                cursor.execute("SHOW PROCESSLIST")
                others: list[Any] = [
                    row[0]
                    for row in cursor.fetchall()
                    if row[3] == self.bank.schema.name and row[7] != "SHOW PROCESSLIST"
                ]
                if others:
                    with suppress(mysql.connector.Error):
                        cursor.execute(f"KILL {self.random.choice(others)}")
                        self.kills += 1

    def run(self) -> None:
        third = len(self.sent) // 3
        drivers = [
            threading.Thread(target=self.drive, args=(self.sent[: 2 * third], 8)),
            threading.Thread(target=self.drive, args=(self.sent[third:], 7)),
        ]
        killer = threading.Thread(target=self.kill)
        for thread in (*drivers, killer):
            thread.start()
        for thread in drivers:
            thread.join()
        self._over.set()
        killer.join()


def tables(schema: Schema) -> Tables:
    with closing(schema.connect()) as connection:
        return read_tables(connection)


def test_two_drivers_on_the_same_messages_whose_connections_are_killed_lose_and_double_nothing(
    database: Schema, moto: str, caplog: pytest.LogCaptureFixture
) -> None:
    bank = SmallBank(database, moto, partitions=2, chunk_size=20)
    attack = Attack(bank, 4_000)
    opening = tables(database)
    attack.run()
    final = tables(database)
    bank.apply(*attack.sent)
    assert tables(database) == final
    run = Run(
        "byte-henry",
        attack.sent,
        opening,
        final,
        bank.letters(),
        must_happen=[(kind, status) for kind in ("transaction", "loan_payment") for status in ("1", "-1")],
        sampled=lambda event: sampled(event, Decimal("0.1")),
        ordered=False,
    )
    report = check(run)
    assert report.ok, report
    assert attack.kills > 5
    assert not [one for one in caplog.records if one.name.startswith("sqlalchemy")], "a lost connection is no news"
