"""A bank of accounts made as a test needs them, and messages applied to it: the service without its stream."""

from __future__ import annotations

import itertools
import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from bank.tables import BankStore
from card_transactions.consumer import CardTransactions
from card_transactions.fraud import FraudWeights
from loans.consumer import Loans
from pipeline.applying.domain import Domain
from pipeline.applying.partition import Partition
from pipeline.applying.routing import Router
from pipeline.aws import Aws
from pipeline.dead_letters.table import DeadLetters
from pipeline.messages.records import Block, Extent, Record, Report, Skipped
from pipeline.mysql.database import Database
from stocks.consumer import Stocks
from tests.faults.tables import read_letters
from tests.integration.messages import NOW, TODAY
from tests.model.bank import Columns
from tests.schema import Schema
from transactions.consumer import Transactions

FIRST_CARD = 4_000_000_000_000_000

NOBODY = 4_294_967_295
"""The highest id that an account, a merchant or a loan may have; none has it."""
Given = Mapping[str, Any]
"""Keyword arguments of `SmallBank.account` or `loan`, or fields of a message."""
CLOSED: Given = {"active": False}
FULL: Given = {"balance": "99999999.99"}
MISSING: Given = {"missing": True}

_numbers = itertools.count(1)


class SmallBank:
    """Accounts, cards and loans with numbers of their own, in `schema`; letters in a table of their own.

    A chunk and a lane unless told otherwise, so that messages applied together meet in one transaction.
    """

    def __init__(
        self, schema: Schema, moto: str, *, partitions: int = 1, lanes: int = 1, chunk_size: int = 500
    ) -> None:
        self.schema = schema
        self.aws = Aws("us-east-1", "test", "test", (("AWS_ENDPOINT_URL", moto),))
        letters = DeadLetters(self.aws, f"letters-{uuid.uuid4()}", "byte-henry")
        letters.ensure()
        domains: Sequence[Domain] = (Transactions(), CardTransactions(FraudWeights()), Loans(), Stocks())
        router = Router(letters.stream, {domain.type: domain for domain in domains})
        database = Database(schema.host, schema.port, schema.user, schema.password, schema.name)
        self.partition = Partition(router, BankStore(), database, letters, partitions, lanes, chunk_size)

    def account(
        self,
        balance: str = "100.00",
        limit: int | None = None,
        *,
        kind: str = "Checking",
        active: bool = True,
        number: int | None = None,
    ) -> int:
        """The id of a new account (of the user with the same id, who need not exist), the next one or `number`."""
        number = next(_numbers) if number is None else number
        self.schema.execute(
            "INSERT INTO accounts (id, users_id, account_type, balance, payment_due, credit_limit, debt_interest,"
            " active, approved, confirmed) VALUES (%s, %s, %s, %s, 0, %s, 0, %s, 1, 1)",
            (number, number, kind, balance, limit, active),
        )
        return number

    def some_account(self, given: Given) -> int:
        """The id of a new account; nobody's for `MISSING`."""
        return NOBODY if given is MISSING else self.account(**given)

    def card(
        self,
        account: int,
        pin: int | None = 1234,
        cvc1: int | None = 111,
        cvc2: int | None = 222,
        expires: date = TODAY,
        number: int | None = None,
    ) -> int:
        """The number of a new card of that account."""
        number = FIRST_CARD + account if number is None else number
        self.schema.execute(
            "INSERT INTO cards (accounts_id, card_num, pin, cvc1, cvc2, exp_date) VALUES (%s, %s, %s, %s, %s, %s)",
            (account, number, pin, cvc1, cvc2, expires),
        )
        return number

    def loan(self, balance: str = "-80.00", *, active: bool = True, number: int | None = None) -> int:
        """The id of a new loan."""
        number = next(_numbers) if number is None else number
        self.schema.execute(
            "INSERT INTO loans (id, users_id, balance, interest_rate, payment_due, loan_type, monthly_payment, active,"
            " approved, confirmed) VALUES (%s, 1, %s, 0, 0, 'Car', 0, %s, 1, 1)",
            (number, balance, active),
        )
        return number

    def spent(self, card: int, amount: str, ago: timedelta, status: int = 1) -> None:
        """An old card payment, from before events had identities, so long before `NOW`."""
        self.schema.execute(
            "INSERT INTO card_transactions (card_num, merchant_account_id, memo, transfer_value, time_stamp, status)"
            " VALUES (%s, 1, '', %s, %s, %s)",
            (card, amount, (NOW - ago).replace(tzinfo=None), status),
        )

    def balances(self, *accounts: int) -> list[str]:
        """As text, in the order asked for."""
        held = dict(self.schema.query("SELECT id, balance FROM accounts"))
        return [str(held[account]) for account in accounts]

    def owed(self, loan: int) -> str:
        """The loan's balance as text, negative: owed."""
        ((balance,),) = self.schema.query("SELECT balance FROM loans WHERE id = %s", (loan,))
        return str(balance)

    def active(self, account: int) -> bool:
        ((active,),) = self.schema.query("SELECT active FROM accounts WHERE id = %s", (account,))
        return bool(active)

    def rows(self, table: str) -> list[Columns]:
        """Every row of a table, by id."""
        names = [name for name, *_ in self.schema.query(f"SHOW COLUMNS FROM {table}")]
        rows = self.schema.query(f"SELECT * FROM {table} ORDER BY id")
        return [dict(zip(names, row, strict=True)) for row in rows]

    def last_row(self, table: str) -> Columns:
        """The newest row, as its domain filled it."""
        ours = ("id", "event_id", "applied_at")
        return {name: value for name, value in self.rows(table)[-1].items() if name not in ours}

    def letters(self) -> dict[int, Columns]:
        """Every dead letter by its key."""
        return read_letters(self.aws.client("dynamodb"), self.partition.dead_letters.table)

    def apply(self, *records: Record) -> Report:
        """Apply records as one batch; the report of the first partition. Fails where the batch did not go through."""
        reports = self.try_to_apply(records)
        assert [report.failure for report in reports] == [None] * self.partition.partitions
        return reports[0]

    def try_to_apply(self, records: Iterable[Record], **changes: Any) -> list[Report]:
        """Apply records as one batch, one partition after the other, with `changes` to `Partition`; all reports."""
        partition = replace(self.partition, **changes)
        return [partition.apply(blocks) for blocks in self.blocks(records)]

    def blocks(self, records: Iterable[Record]) -> list[list[Block]]:
        """Partition → its blocks, one for each shard."""
        shards: dict[str, list[Record]] = defaultdict(list)
        for one in records:
            shards[one.shard].append(one)
        blocks: list[list[Block]] = [[] for _ in range(self.partition.partitions)]
        for shard, read in shards.items():
            extent = Extent(shard, read, read[-1].position, 0, True)
            for number, block in self.partition.router.split(extent, len(blocks)):
                blocks[number].append(block)
        return blocks

    def outcome(self, record: Record) -> list[str]:
        """What became of a message: the status of its row, the reason of its letter. One, if all is well."""
        return self.outcomes([record])[0]

    def outcomes(self, records: Sequence[Record]) -> list[list[str]]:
        """What became of each message."""
        router = self.partition.router
        statuses = {
            type_: dict(
                self.schema.query(f"SELECT event_id, status FROM {domain.table.name} WHERE event_id IS NOT NULL")
            )
            for type_, domain in router.routes.items()
        }
        reasons = {letter["event_id"]: letter["error"] for letter in self.letters().values()}
        found = []
        for record in records:
            said = router.interpret(record)
            assert not isinstance(said, Skipped)
            rows = statuses.get(said.type or "", {})
            row = [str(rows[said.identity])] if said.identity in rows else []
            letter = [f"letter:{reasons[said.identity.hex()]}"] if said.identity.hex() in reasons else []
            found.append(row + letter)
        return found
