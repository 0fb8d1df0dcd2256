"""Whether what a chunk says fits into the statements that the server takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from pipeline.applying.domain import EventTable
from pipeline.console.finding import Finding, fail, ok, warn
from pipeline.mysql.database import Transaction

NUMBER: Final = 40
"""Bytes, at most, of a value that is no text: a number, a moment, an event id."""
HOLDING: Final = 40
"""Bytes of an account or a loan in the statements that lock and save them, which are one each for a chunk."""
AROUND: Final = 1024
HOLDINGS_A_MESSAGE: Final = 2

_REMEDY: Final = "raise max_allowed_packet at the server, or lower CHUNK_SIZE"


def check_packets(transaction: Transaction, tables: Iterable[EventTable], chunk_size: int) -> Iterator[Finding]:
    """max_allowed_packet against the widest row, and against all that a chunk writes, of the widest table."""
    ((packet,),) = transaction.query("SELECT @@GLOBAL.max_allowed_packet")
    widest, name = max((widest_row(transaction, table), table.name) for table in tables)
    holdings = AROUND + chunk_size * HOLDINGS_A_MESSAGE * HOLDING
    text = f"{int(packet) // 1024:,} KiB; a row of {name} has up to {widest:,} bytes, CHUNK_SIZE is {chunk_size:,}"
    if widest + AROUND > packet:
        yield fail("packets", f"{text}: some rows fit into no statement", "raise max_allowed_packet at the server")
    elif holdings > packet:
        yield warn("packets", f"{text}: chunks are cut, since their accounts fit into no statement", _REMEDY)
    else:
        statements = -(-chunk_size * widest // (int(packet) - AROUND))
        yield ok("packets", f"{text}: at most {statements:,} INSERT{'s' if statements > 1 else ''} a chunk")


def widest_row(transaction: Transaction, table: EventTable) -> int:
    """Bytes of the longest row as SQL. What is escaped has one byte, and takes no more room than four that are not."""
    rows = transaction.query(
        "SELECT column_name, character_octet_length FROM information_schema.columns"
        " WHERE table_schema = DATABASE() AND table_name = %s",
        (table.name,),
    )
    lengths = {str(name): int(octets) if octets else 0 for name, octets in rows}
    columns = (*table.columns, "event_id", "applied_at")
    return sum(max(NUMBER, lengths.get(column, 0) + len("'',")) for column in columns)
