"""Where the demo plays: servers of its own, a bank in a migrated database, a stream with traffic in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import migrations
from bank_stream.settings import Settings
from card_transactions.alerts import SENDER
from pipeline.aws import Aws
from producers.bank import BankShape, Rows, fill
from producers.kinesis import Sent, put
from producers.traffic import Traffic
from tests.servers import HERE, Endpoint, MariaDB, mariadb, moto

STREAM: Final = "byte-henry"
LEASES: Final = "cloud-consumer"
LETTERS: Final = "utopia-failover-HA-DynamoDB"
REGION: Final = "us-east-1"
SHARDS: Final = 4
BANK: Final = BankShape(accounts=10_000)
WITH_ID: Final = 0.3
"""Share of the messages with an id of the producer's own, some of which are sent twice."""
ODD: Final = 0.06
"""Share of the messages with something unusual or wrong."""
SMALL_BATCHES: Final = {"BATCH_LENGTH": "1", "MAX_RECORDS_PER_SHARD": "8", "METRICS_PORT": "0"}
"""Settings for watching: a record is a KPL aggregate, so that a batch is some 5,000 messages."""


@dataclass(frozen=True)
class Stage:
    """Servers that answer, and a folder that goes with them."""

    database: MariaDB
    aws: Endpoint
    folder: Path

    def client(self, service: str) -> Any:
        """A client of "kinesis", "dynamodb" or "ses"."""
        return Aws(REGION, "demo", "demo", (("AWS_ENDPOINT_URL", self.aws.url),)).client(service)

    @property
    def environment(self) -> dict[str, str]:
        """The settings that lead the service here."""
        return {
            **self.database.environment,
            "AWS_ENDPOINT_URL": self.aws.url,
            "AWS_DEFAULT_REGION": REGION,
            "ACCESS_KEY": "demo",
            "SECRET_KEY": "demo",
            "STREAM_NAME": STREAM,
            "CONSUMER_NAME": LEASES,
            "FAILOVER_TABLE": LETTERS,
            **SMALL_BATCHES,
        }

    def fill(self, seed: int) -> Rows:
        """Migrate, and fill users, accounts, cards and loans."""
        migrations.upgrade(self.database.url)
        with closing(self.database.connect()) as connection:
            return fill(connection, BANK, seed)

    def put(self, messages: int, seed: int) -> Sent:
        """Make the stream and put so many messages into it, in KPL aggregates; let the bank's sender write mails."""
        self.client("ses").verify_email_identity(EmailAddress=SENDER)
        kinesis = self.client("kinesis")
        kinesis.create_stream(StreamName=STREAM, ShardCount=SHARDS)
        kinesis.get_waiter("stream_exists").wait(StreamName=STREAM, WaiterConfig={"Delay": 1})
        traffic = Traffic(seed, BANK, odd=ODD, ids=WITH_ID, partition_key="account")
        return put(kinesis, STREAM, islice(traffic, messages), aggregate=True)


@contextmanager
def stage() -> Iterator[Stage]:
    """MariaDB, Kinesis, DynamoDB and SES, ended with the context. Raises RuntimeError, which says what is missing."""
    forget_surroundings()
    with TemporaryDirectory(prefix="demo-", ignore_cleanup_errors=True) as name, ExitStack() as running:
        folder = Path(name)
        with ThreadPoolExecutor(2) as together:
            database = together.submit(running.enter_context, mariadb(folder / "mariadb"))
            aws = together.submit(running.enter_context, moto())
        yield Stage(database.result(), aws.result(), folder)


def forget_surroundings() -> None:
    """Let nothing of the user's own AWS, Spark, proxies or settings of the service into the demo."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "SPARK_", "PYSPARK_")) or name.lower() in Settings.model_fields:
            del os.environ[name]
    os.environ |= {
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": HERE,
        "no_proxy": HERE,
        "SPARK_LOCAL_IP": HERE,
    }
