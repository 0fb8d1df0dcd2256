"""What tasks do in Python: records to applications with the challenger's score, or to letters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]

from loan_scoring import challenger
from loan_scoring.application import Application, application_id, read
from loan_scoring.features import FEATURES
from loan_scoring.table import FEATURES_TYPE
from pipeline.runtime.errors import Rejected
from pipeline.structured.service import LETTER
from pipeline.structured.tasks import LETTERS

GIVEN: Final = ("key", "value", "topic", "partition", "offset", "timestamp")
"""Columns of the records that are read."""
READ: Final = (
    f"{LETTER}, application_id STRING, own BOOLEAN, content BINARY, member_id INT, annual_inc INT, funded_amnt INT, "
    f"features STRUCT<{', '.join(f'{name}: DOUBLE' for name in FEATURES)}>, fund_rate DOUBLE, missing INT, "
    "applicant_group STRING, challenger DOUBLE"
)
"""A record that was read: an application where there is no reason, else a letter. `own`: it has an id of its own."""

_APPLICATION: Final = pa.schema(
    [
        ("application_id", pa.string()),
        ("own", pa.bool_()),
        ("content", pa.binary()),
        ("member_id", pa.int32()),
        ("annual_inc", pa.int32()),
        ("funded_amnt", pa.int32()),
        ("features", FEATURES_TYPE),
        ("fund_rate", pa.float64()),
        ("missing", pa.int32()),
        ("applicant_group", pa.string()),
        ("challenger", pa.float64()),
    ]
)
_NONE: Final = (None,) * len(_APPLICATION)
_READ: Final = pa.schema([*LETTERS, *_APPLICATION])

Found = Application | Rejected


@dataclass(frozen=True)
class Read:
    """Records (columns `GIVEN`) to columns `READ`. `challenger`: its file. `identities`: of the topics."""

    challenger: str = field(repr=False)
    identities: dict[str, str]
    group_field: str

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            yield self._read(batch)

    def _read(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        found = [self._one(value) for value in batch.column("value").to_pylist()]
        return pa.RecordBatch.from_arrays([*_letters(batch, found), *self._applications(batch, found)], schema=_READ)

    def _one(self, value: bytes | None) -> Found:
        try:
            return read(value, self.group_field)
        except Rejected as rejected:
            return rejected

    def _applications(self, batch: pa.RecordBatch, found: list[Found]) -> list[pa.Array]:
        scores = iter(
            challenger.scores(self.challenger, [one.features for one in found if isinstance(one, Application)])
        )
        places = zip(*(batch.column(name).to_pylist() for name in ("topic", "partition", "offset")), strict=True)
        told = [
            (*self._told(one, *place), float(next(scores))) if isinstance(one, Application) else _NONE
            for place, one in zip(places, found, strict=True)
        ]
        columns = [list(column) for column in zip(*told, strict=True)] if told else [[] for _ in _APPLICATION]
        features = _APPLICATION.get_field_index("features")
        columns[features] = [one and dict(zip(FEATURES, one, strict=True)) for one in columns[features]]
        return [pa.array(column, kind.type) for column, kind in zip(columns, _APPLICATION, strict=True)]

    def _told(self, one: Application, topic: str, partition: int, offset: int) -> tuple[Any, ...]:
        known_as = application_id(one.own_id, topic, self.identities[topic], partition, offset)
        own = one.own_id is not None
        said = (one.member_id, one.annual_inc, one.funded_amnt, one.features, one.fund_rate, one.missing, one.group)
        return known_as, own, one.content if own else None, *said


def _letters(batch: pa.RecordBatch, found: list[Found]) -> list[pa.Array]:
    """An application's key and value are read from the brokers again, should it be a letter after all."""
    is_letter = pa.array([isinstance(one, Rejected) for one in found], pa.bool_())
    kept = [pc.if_else(is_letter, batch.column(name), pa.scalar(None, pa.binary())) for name in ("key", "value")]
    place = [
        batch.column(name).cast(LETTERS.field(name).type) for name in ("topic", "partition", "offset", "timestamp")
    ]
    reasons = [one.reason if isinstance(one, Rejected) else None for one in found]
    fields = [(one.detail or None) if isinstance(one, Rejected) else None for one in found]
    errors = [None] * len(found)
    return [*kept, *place, *(pa.array(column, pa.string()) for column in (reasons, fields, errors))]
