"""What only operators ask of AWS: one letter by its key, and whether an address may send mail."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from pipeline.aws import Aws, error_code, is_aws_transient, lasting
from pipeline.dead_letters.items import StoredLetter, UnreadableLetter, from_item
from pipeline.dynamodb import PATIENCE
from pipeline.runtime.errors import Halted
from pipeline.runtime.retries import retried


def letter(aws: Aws, table: str, key: int) -> StoredLetter | None:
    """The letter with this key; None where there is none. Raises `Halted` where it cannot be read."""
    request = {"TableName": table, "Key": {"key": {"N": str(key)}}, "ConsistentRead": True}
    found = _called(partial(aws.client("dynamodb").get_item, **request), f"DynamoDB table {table}")
    if found is None or "event_id" not in found.get("Item", {}):
        return None
    stored = from_item(found["Item"])
    if isinstance(stored, UnreadableLetter):
        raise Halted(f"letter {stored.key} cannot be read: {stored.why}")
    return stored


def mail_status(aws: Aws, address: str) -> str:
    """What SES says of an address, or of its domain: Success, Pending, Failed, …; empty where it knows neither."""
    names = [address, address.partition("@")[2]]
    call = partial(aws.client("ses").get_identity_verification_attributes, Identities=names)
    found = (_called(call, "SES") or {}).get("VerificationAttributes", {})
    states = [found[name]["VerificationStatus"] for name in names if name in found]
    return "Success" if "Success" in states else next(iter(states), "")


def _called(call: Callable[[], dict[str, Any]], what: str) -> dict[str, Any] | None:
    try:
        return retried(call, is_aws_transient, PATIENCE, what=what)
    except (ClientError, BotoCoreError) as error:
        if error_code(error) == "ResourceNotFoundException":
            return None
        raise lasting(error, what) from None
