"""Rows that come from topics, once, however large the table is: which records are in it, it says itself.

A table's property notes, per partition of a topic, before which offset everything is in. It changes in the commit that
adds the rows, and the commit holds only where the note is still the one that was read. So rows and note are both there
or neither is; whoever was interrupted, is second, or begins anew reads the note and goes on behind it. Snapshots may
expire and files be compacted: the note is none of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
import pyarrow as pa  # type: ignore[import-untyped]

from pipeline.lake.errors import translated
from pipeline.runtime.errors import Fatal

if TYPE_CHECKING:
    from pyiceberg.table import Table

PREFIX: Final = "once."


class Note(msgspec.Struct, frozen=True):
    """Of one topic. `identity`: of the topic: one that is made anew begins anew. `through`: by partition."""

    identity: str = ""
    through: dict[int, int] = msgspec.field(default_factory=dict)


def noted(table: Table, topic: str, identity: str) -> Note:
    """What is in the table of this topic. Raises `Fatal` for a note that is none."""
    try:
        found = msgspec.json.decode(table.properties.get(PREFIX + topic, "{}"), type=Note)
    except msgspec.MsgspecError:
        name = ".".join(table.name())
        raise Fatal(f"{name}: its property {PREFIX}{topic} is not what this service writes there") from None
    return found if found.identity == identity else Note(identity)


def append_once(table: Table, rows: pa.Table, topic: str, note: Note) -> None:
    """Add rows together with the note that they are in. `table`: as it was loaded when its note was read.

    Raises `Transient` where another writer was faster, or it is not known whether that went through: read the note
    anew.
    """
    from pyiceberg.exceptions import ValidationException
    from pyiceberg.table.update import ValidatableTableRequirement

    name = PREFIX + topic
    before = table.properties.get(name)

    class Unmoved(ValidatableTableRequirement):
        """PyIceberg tries a commit that failed again on top of what others wrote: not where they moved the note."""

        type: str = "assert-note-unmoved"

        def validate(self, base_metadata: Any) -> None:  # type: ignore[override]
            if base_metadata is None or base_metadata.properties.get(name) != before:
                raise ValidationException("somebody else has moved the note")

    unmoved: Any = Unmoved()
    with translated():
        transaction = table.transaction()
        transaction._apply((), (unmoved,))
        if rows.num_rows:
            transaction.append(rows.cast(_shape(table)))
        transaction.set_properties({name: msgspec.json.encode(note).decode()})
        transaction.commit_transaction()


def _shape(table: Table) -> pa.Schema:
    """The table's columns without the numbers of fields, which Arrow compares as well."""
    columns = table.schema().as_arrow()
    return pa.schema([pa.field(column.name, column.type, column.nullable) for column in columns])
