"""A table of DynamoDB: what it is, and making it where there is none."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Any, Final, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from pipeline.aws import Aws, error_code, is_aws_transient, lasting
from pipeline.runtime.errors import Fatal
from pipeline.runtime.retries import retried

USABLE: Final = ("ACTIVE", "UPDATING")
PATIENCE: Final = 10.0
"""Seconds for which a call that may heal is tried again."""


class HashKey(NamedTuple):
    """The one key of a table. `kind`: S (text) or N (number)."""

    name: str
    kind: str


class _NotYet(Exception):
    """The table is not usable yet: look again."""


def describe_table(aws: Aws, name: str, seconds: float = PATIENCE) -> Mapping[str, Any] | None:
    """What DynamoDB says of a table; None where there is none. Raises `Transient`, `Halted`, `Fatal`."""
    what = f"DynamoDB table {name}"
    try:
        return retried(partial(_described, aws, name), is_aws_transient, seconds, what=what)
    except (ClientError, BotoCoreError) as error:
        raise lasting(error, what) from None


def hash_key(table: Mapping[str, Any]) -> HashKey | None:
    """The key of a table as `describe_table` gives it; None where it has a second one."""
    kinds = {one["AttributeName"]: one["AttributeType"] for one in table["AttributeDefinitions"]}
    keys = [HashKey(one["AttributeName"], kinds[one["AttributeName"]]) for one in table["KeySchema"]]
    return keys[0] if len(keys) == 1 else None


def ensure_table(aws: Aws, name: str, key: HashKey, setting: str, seconds: float) -> None:
    """Make the table where it is missing, and wait until it can be used, so many seconds at most.

    `setting`: which names it. Raises `Fatal` where its key is another, `Transient`, `Halted`.
    """
    what = f"DynamoDB table {name}"
    try:
        table = retried(partial(_usable, aws, name, key), _heals, seconds, what=what)
    except (ClientError, BotoCoreError) as error:
        raise lasting(error, what) from None
    if hash_key(table) != key:
        raise Fatal(f"{what} is another table: its key is not {key.name} ({key.kind}); name another {setting}")


def _usable(aws: Aws, name: str, key: HashKey) -> Mapping[str, Any]:
    table = _described(aws, name)
    if table is None:
        client = aws.client("dynamodb")
        with suppress(client.exceptions.ResourceInUseException):  # another makes it at this moment
            client.create_table(
                TableName=name,
                KeySchema=[{"AttributeName": key.name, "KeyType": "HASH"}],
                AttributeDefinitions=[{"AttributeName": key.name, "AttributeType": key.kind}],
                BillingMode="PAY_PER_REQUEST",
            )
    if table is None or table["TableStatus"] not in USABLE:
        raise _NotYet
    return table


def _described(aws: Aws, name: str) -> Mapping[str, Any] | None:
    try:
        table: Mapping[str, Any] = aws.client("dynamodb").describe_table(TableName=name)["Table"]
    except ClientError as error:
        if error_code(error) != "ResourceNotFoundException":
            raise
        return None
    return table


def _heals(error: Exception) -> bool:
    return isinstance(error, _NotYet) or is_aws_transient(error)
