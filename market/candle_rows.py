"""The documents of a symbol's collection, written so that an overtaken driver overwrites nothing.

Each document says the version of the symbol's state that it belongs to. A new minute is inserted; a document that is
there already is replaced only where its version is not above ours. So whoever writes late writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from pymongo import InsertOne, ReplaceOne
from pymongo.collection import Collection
from pymongo.errors import BulkWriteError

from market.documents import Document
from market.mongo import PASSING, PEOPLES, by_fate, first_of, name_of
from pipeline.runtime.errors import Fatal

VERSION: Final = "version"

Rows = Collection[Document]
Operation = InsertOne[Document] | ReplaceOne[Document]


def overtaken() -> Fatal:
    """Another process runs the same service, and began after this one."""
    return Fatal("another process runs as candles and has taken over: one of the two is too many")


def put(rows: Rows, new: Iterable[Document], others: Iterable[Document], version: int) -> Mapping[datetime, str]:
    """Write documents; those that the server refused, twice, by `_id`, and the name of its error.

    `new`: of minutes that should not be there yet. Raises `PipelineError`.
    """
    fresh = [{**made, VERSION: version} for made in new]
    known = [{**made, VERSION: version} for made in others]
    documents = [*fresh, *known]
    failed = _write(rows, [*map(InsertOne, fresh), *map(_replace, known)])
    if not failed:
        return {}
    again = _unlike(rows, [documents[place] for place, _ in failed], version)
    return {again[place]["_id"]: name for place, name in _write(rows, list(map(_replace, again)))}


def between(rows: Rows, first: datetime, last: datetime) -> Iterator[Document]:
    """The documents of a span of time, in order. Raises `PipelineError`."""
    yield from _found(rows, {"_id": {"$gte": first, "$lte": last}})


def before(rows: Rows, end: datetime | None) -> Iterator[Document]:
    """The documents of all minutes before one, or of all, in order. Raises `PipelineError`."""
    yield from _found(rows, {} if end is None else {"_id": {"$lt": end}})


def _found(rows: Rows, query: Mapping[str, Any]) -> Iterator[Document]:
    with by_fate("reading candles"):
        for found in rows.find(query).sort("_id", 1):
            if isinstance(found["_id"], datetime):
                yield found


def _replace(made: Document) -> ReplaceOne[Document]:
    known = {"_id": made["_id"], VERSION: {"$not": {"$gt": made[VERSION]}}}
    return ReplaceOne(known, made, upsert=True)


def _write(rows: Rows, operations: Sequence[Operation]) -> Sequence[tuple[int, str]]:
    """Which operations failed because of their document, and with which error. Raises `PipelineError` for others."""
    if not operations:
        return ()
    try:
        with by_fate("writing candles"):
            rows.bulk_write(operations, ordered=False)
    except BulkWriteError as error:
        failed = error.details["writeErrors"]
        if not failed or any(one.get("code") in PASSING | PEOPLES for one in failed):
            raise first_of(error, "writing candles") from None
        return [(one["index"], name_of(one)) for one in failed]
    return ()


def _unlike(rows: Rows, documents: Sequence[Document], version: int) -> Sequence[Document]:
    """Those that are not there yet as they are to be. Raises `Fatal` where a newer one is there."""
    days = [made["_id"] for made in documents]
    there = {found["_id"]: found for found in between(rows, min(days), max(days))}
    known = [there.get(day) for day in days]
    if any(found is not None and found.get(VERSION, 0) > version for found in known):
        raise overtaken()
    return [made for made, found in zip(documents, known, strict=True) if found != made]
