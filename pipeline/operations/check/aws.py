"""What the stream, the two tables and the mail address have to be."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.console.finding import Finding, fail, ok, warn
from pipeline.dead_letters.table import TABLE_KEY as LETTERS_KEY
from pipeline.dynamodb import USABLE, HashKey, describe_table, hash_key
from pipeline.kinesis.shards import describe, list_shards
from pipeline.leases.table import TABLE_KEY as LEASES_KEY
from pipeline.operations.remote import mail_status
from pipeline.operations.workbench import Workbench

ENOUGH_HOURS = 72
"""A stream is the buffer of every outage: a weekend should fit."""


def check_stream(bench: Workbench) -> Iterator[Finding]:
    """Status, shards, retention, encryption. Raises `Fatal`, naming the command, where there is no stream."""
    name, region = bench.settings.stream_name, bench.settings.aws_default_region
    found = describe(bench.aws, name)
    if found.status not in ("ACTIVE", "UPDATING"):
        yield fail("stream", f"{name} is {found.status}", "wait until it is ACTIVE, or make it anew")
        return
    open_shards = sum(not shard.closed for shard in list_shards(bench.aws, name))
    yield ok("stream", f"{name} is {found.status} in {region}, {open_shards} open shards")
    if found.retention_hours < ENOUGH_HOURS:
        remedy = (
            f"aws kinesis increase-stream-retention-period --stream-name {name} --retention-period-hours {ENOUGH_HOURS}"
        )
        yield warn("retention", f"{found.retention_hours} h: a longer outage loses messages", remedy)
    else:
        yield ok("retention", f"{found.retention_hours} h")
    if found.encryption == "NONE":
        remedy = (
            f"aws kinesis start-stream-encryption --stream-name {name} --encryption-type KMS --key-id alias/aws/kinesis"
        )
        yield warn("stream encryption", "none: PINs and codes lie in it as they were sent", remedy)
    else:
        yield ok("stream encryption", found.encryption)


def check_tables(bench: Workbench) -> Iterator[Finding]:
    """The lease table and the table of dead letters: their keys, where they are there already."""
    yield from _table(bench, "lease table", bench.lease_table.name, LEASES_KEY, "CONSUMER_NAME")
    yield from _table(bench, "dead-letter table", bench.dead_letters.table, LETTERS_KEY, "FAILOVER_TABLE")


def _table(bench: Workbench, what: str, name: str, key: HashKey, setting: str) -> Iterator[Finding]:
    found = describe_table(bench.aws, name)
    if found is None:
        yield ok(what, f"{name} is not there yet: it is made at the start")
    elif hash_key(found) != key:
        yield fail(what, f"{name} is another table: its key is not {key.name} ({key.kind})", f"name another {setting}")
    elif found["TableStatus"] not in USABLE:
        yield fail(what, f"{name} is {found['TableStatus']}", "wait until it is ACTIVE")
    else:
        yield ok(what, f"{name} is {found['TableStatus']}")


def check_mail(bench: Workbench) -> Iterator[Finding]:
    """Whether SES sends from the bank's address."""
    sender = bench.bank.sender
    state = mail_status(bench.aws, sender)
    if state == "Success":
        yield ok("mail", f"{sender} is verified")
    else:
        remedy = f"aws ses verify-email-identity --email-address {sender}, and follow the mail; alerts wait until then"
        yield warn("mail", f"{sender} is {state or 'not known to SES'}", remedy)
