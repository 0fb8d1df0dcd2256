"""The table that transfers end in."""

from __future__ import annotations

from pipeline.applying.domain import EventTable, Row
from pipeline.mysql.literals import moment, text
from transactions.messages import Transfer

TRANSACTIONS = EventTable(
    "transactions", ("origin_account", "destination_account", "memo", "transfer_value", "time_stamp", "status")
)


def row(transfer: Transfer, status: int) -> Row:
    """In the order of `TRANSACTIONS.columns`."""
    return (
        transfer.origin_account,
        transfer.destination_account,
        transfer.memo,
        transfer.transfer_value,
        transfer.time_stamp,
        status,
    )


def said(transfer: Transfer, status: int) -> str:
    """What `row` holds up to the status, as SQL."""
    return (
        f"{transfer.origin_account},{transfer.destination_account},{text(transfer.memo)},"
        f"{transfer.transfer_value!s},{moment(transfer.time_stamp)}"
    )
