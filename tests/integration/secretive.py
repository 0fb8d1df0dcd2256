"""A job that is told marked secrets, with a database, a stream and folders of its own, and the hunt for them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from tests.contract.streams import TestStream
from tests.faults.job import Job
from tests.integration.hunt import Hunt
from tests.integration.messages import payment
from tests.integration.small_bank import SmallBank
from tests.model.outcome import TABLES
from tests.processes import in_session, kill_all
from tests.schema import Schema

PIN, CVC1, CVC2 = 61_973, 62_741, 64_187
"""Of every card of the bank: as many digits as their columns hold, so that little else looks like them."""
WRONG = 73_910_284_651_007
"""A PIN or code that no card has."""
UNKNOWN_CARD = 4_929_135_724_680_001
MEMO_CARD = 4_929_135_724_680_019
FOREVER = date(9999, 12, 31)


class Secretive:
    """A job on a bank, a stream and tables of its own, and the hunt for what it was told in confidence."""

    def __init__(self, folder: Path, database: Schema, moto: str, conf: str = "") -> None:
        self.schema, self.folder = database, folder
        self.bank = SmallBank(database, moto)
        self.owner, self.shop = self.bank.account("1000.00"), self.bank.account("0.00")
        self.card = self._card(self.owner)
        self.stream = TestStream(moto)
        self.put = 0
        for name in ("scratch", "tmp", "conf"):
            (folder / name).mkdir()
        (folder / "conf" / "spark-defaults.conf").write_text(conf)
        self.job = Job(folder / "job.log", self._environment(moto))
        secrets = {str(number) for number in (PIN, CVC1, CVC2, WRONG, UNKNOWN_CARD, MEMO_CARD, self.card)}
        self.hunt = Hunt(
            secrets | {" ".join(fours(MEMO_CARD))},
            {str(MEMO_CARD), " ".join(fours(MEMO_CARD))},
            database,
            self.bank.aws.client("dynamodb"),
            moto,
            (self._letters, f"leases-{self.stream.name}"),
            (folder / "job.log", *folder.glob("db/*.log")),
            (folder / "scratch", folder / "tmp"),
        )

    def _card(self, account: int, **given: Any) -> int:
        return self.bank.card(account, **{"pin": PIN, "cvc1": CVC1, "cvc2": CVC2, "expires": FOREVER, **given})

    def _environment(self, moto: str) -> dict[str, str]:
        return {
            **self.schema.environment,
            "AWS_ENDPOINT_URL": moto,
            "STREAM_NAME": self.stream.name,
            "CONSUMER_NAME": f"leases-{self.stream.name}",
            "FAILOVER_TABLE": self._letters,
            "BATCH_LENGTH": "0.3",
            "PARTITIONS": "2",
            "CHUNK_SIZE": "10",
            "SPARK_LOCAL_DIRS": str(self.folder / "scratch"),
            "SPARK_CONF_DIR": str(self.folder / "conf"),
            "TMPDIR": str(self.folder / "tmp"),
        }

    @property
    def _letters(self) -> str:
        return self.bank.partition.dead_letters.table

    def send(self, *messages: Mapping[str, object] | bytes) -> None:
        data = [one if isinstance(one, bytes) else json.dumps(one).encode() for one in messages]
        self.stream.put(*data)
        self.put += len(data)

    def paid(self, amount: float = 1.0, **changes: object) -> dict[str, object]:
        """A payment in person that nothing is wrong with, but for the changes."""
        return payment(self.card, self.shop, amount, **{"pin": PIN, "cvc1": CVC1, "cvc2": CVC2, **changes})

    def is_settled(self) -> bool:
        """Whether every message has its row or letter."""
        self._look()
        counts = " + ".join(f"(SELECT COUNT(*) FROM {table})" for table in TABLES.values())
        ((rows,),) = self.schema.query(f"SELECT {counts}")
        letters = self.hunt.dynamodb.scan(TableName=self._letters, Select="COUNT")["Count"]
        return int(rows) + int(letters) == self.put

    def waits_because_of(self, reason: str) -> Callable[[], bool]:
        def waits() -> bool:
            self._look()
            return any(reason in line["reason"] for line in self.job.lines("waiting"))

        return waits

    def _look(self) -> None:
        """Into the files while the job runs: some come and go."""
        assert self.job.running, self.job.tail
        leaks = self.hunt.in_files()
        assert not leaks, leaks

    def kill_workers(self) -> int:
        """SIGKILL to the Python processes in which Spark runs tasks; how many there were."""
        return kill_all(in_session(self.job.pid, b"pyspark.daemon"))


def fours(number: int) -> Iterator[str]:
    """A card number as it is printed on the card, group by group."""
    digits = str(number)
    return (digits[at : at + 4] for at in range(0, 16, 4))
