"""Lease tables in the tests of the contract with DynamoDB, read and written by plain calls as others would."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ReadTimeoutError

from pipeline.aws import Aws
from pipeline.leases.table import LeaseTable


class Clock:
    """A monotonic clock that moves when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class TestTable:
    """A new lease table of an emulator at `url`, with a client of its own."""

    __test__ = False

    def __init__(self, url: str, name: str = "") -> None:
        # A key of its own gives each test a client of its own, whose events it may change.
        self.aws = Aws("us-east-1", uuid.uuid4().hex, "test", (("AWS_ENDPOINT_URL", url),))
        self.client = self.aws.client("dynamodb")
        self.table = LeaseTable(self.aws, name or f"leases-{uuid.uuid4().hex}")
        self.table.ensure()

    def put(self, shard: str, **attributes: dict[str, Any]) -> None:
        """A row of KCL's: free, at the trim horizon, unless `attributes` says so."""
        row: dict[str, Any] = {
            "leaseKey": {"S": shard},
            "leaseCounter": {"N": "7"},
            "ownerSwitchesSinceCheckpoint": {"N": "3"},
            "checkpoint": {"S": "TRIM_HORIZON"},
            "checkpointSubSequenceNumber": {"N": "0"},
        }
        self.client.put_item(TableName=self.table.name, Item={**row, **attributes})

    def row(self, shard: str) -> dict[str, Any]:
        found = self.client.get_item(TableName=self.table.name, Key={"leaseKey": {"S": shard}}, ConsistentRead=True)
        row: dict[str, Any] = found.get("Item", {})
        return row

    def foreign_beat(self, shard: str, owner: str = "them") -> None:
        """Another worker renews, or steals, a lease."""
        self.client.update_item(
            TableName=self.table.name,
            Key={"leaseKey": {"S": shard}},
            UpdateExpression="SET leaseOwner = :owner ADD leaseCounter :one",
            ExpressionAttributeValues={":owner": {"S": owner}, ":one": {"N": "1"}},
        )

    def repeat_next(self, operation: str) -> None:
        """The client sends the next request of this operation twice, as if the first answer had been lost."""
        self.client.meta.events.register_first(
            f"needs-retry.dynamodb.{operation}", lambda attempts, **_: 0 if attempts == 1 else None
        )

    def lose_next_answer(self, operation: str) -> None:
        """The next request of this operation is carried out, and its answer never comes."""
        event = f"after-call.dynamodb.{operation}"

        def lose(**_: object) -> None:
            self.client.meta.events.unregister(event, lose)
            raise ReadTimeoutError(endpoint_url="http://127.0.0.1")

        self.client.meta.events.register(event, lose)


def eventually(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait for a condition; fail where it does not come."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.02)
