"""Taking over a table of the old columns, in Hive's text format: read whole, then into the table in one commit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final, NamedTuple

import pyarrow as pa  # type: ignore[import-untyped]
from pyarrow import ArrowException, fs

from loan_scoring.application import PLACE
from loan_scoring.figures import LARGEST
from loan_scoring.names import PREDICTIONS
from loan_scoring.table import COLUMNS, OLD_COLUMNS, TABLE
from pipeline.lake.append import Note, append_once, noted
from pipeline.lake.errors import translated
from pipeline.lake.lake import Lake
from pipeline.lake.table import ensure
from pipeline.runtime.errors import Fatal

NULL: Final = r"\N"
TAKEN: Final = "taken over"
"""The version of the model that scored such rows: nobody knows."""


class Broken(NamedTuple):
    """A line that is no row of the old columns. `line`: counted from 1."""

    file: str
    line: int
    why: str
    text: str


@dataclass(frozen=True)
class Old:
    """`digest`: of all files, by name and content."""

    files: int
    rows: pa.Table
    broken: list[Broken]
    digest: str


def old_rows(folder: str, delimiter: str) -> Old:
    """All rows of the files in a folder and those below it; hidden ones (`_SUCCESS`, `.crc`) aside.

    Raises `Fatal` where there is nothing to read.
    """
    rows, broken, digest, files = list[tuple[object, ...]](), list[Broken](), sha256(), 0
    for name, written, data in _files(folder):
        files += 1
        content = sha256(data).hexdigest()
        digest.update(f"{name}\0{content}\0".encode())
        known_as = f"{PLACE}hive:{sha256(name.encode()).hexdigest()[:16]}:{content[:16]}"
        for number, line in enumerate(data.removesuffix(b"\n").split(b"\n") if data else (), 1):
            try:
                rows.append((f"{known_as}:{number}", written, *_row(line.decode().split(delimiter))))
            except ValueError as error:
                broken.append(Broken(name, number, str(error), line.decode(errors="surrogateescape")))
    if not files:
        raise Fatal(f"{folder}: there are no files in it")
    return Old(files, _table(rows), broken, digest.hexdigest()[:32])


def take_over(lake: Lake, folder: str, old: Old) -> bool:
    """Add the rows, once; whether they were not there already. Raises `Transient`, `Fatal`."""
    ensure(lake, [TABLE])
    with translated():
        table = lake.catalog().load_table(PREDICTIONS)
    topic = f"takeover.{sha256(folder.encode()).hexdigest()[:16]}"
    known = noted(table, topic, old.digest)
    if known.through:
        return False
    if noted_otherwise(table.properties, topic):
        raise Fatal(
            f"{folder} was taken over already, and has changed since: its new files have to be a folder of their own"
        )
    append_once(table, old.rows, topic, Note(old.digest, {0: old.rows.num_rows}))
    return True


def noted_otherwise(properties: dict[str, str], topic: str) -> bool:
    """Whether the table knows of this folder in another state."""
    return f"once.{topic}" in properties


def _files(folder: str) -> Iterator[tuple[str, datetime, bytes]]:
    try:
        if "://" in folder:
            system, root = fs.FileSystem.from_uri(folder)
        else:
            system, root = fs.LocalFileSystem(), folder
        found = system.get_file_info(fs.FileSelector(root, recursive=True))
        for info in sorted(found, key=lambda one: str(one.path)):
            name = info.path.removeprefix(root).lstrip("/")
            if info.is_file and not any(part.startswith(("_", ".")) for part in name.split("/")):
                with system.open_input_stream(info.path) as file:
                    yield name, info.mtime.astimezone(UTC), bytes(file.read())
    except (OSError, ArrowException) as error:
        raise Fatal(f"{folder}: {error}") from error


def _row(fields: list[str]) -> tuple[object, ...]:
    """Raises ValueError."""
    if len(fields) != len(OLD_COLUMNS):
        raise ValueError(f"{len(fields)} columns, not {len(OLD_COLUMNS)}")
    annual_inc, data, funded_amnt, member_id, status = (None if one == NULL else one for one in fields)
    score = None if data is None else float(data)
    if score is not None and not 0 <= score <= 1:
        raise ValueError("a score that is none")
    return _int(annual_inc), score, _int(funded_amnt), _int(member_id), status


def _int(text: str | None) -> int | None:
    if text is None:
        return None
    number = int(text)
    if not -LARGEST - 1 <= number <= LARGEST:
        raise ValueError("a number that INT does not hold")
    return number


def _table(rows: list[tuple[object, ...]]) -> pa.Table:
    names = ("application_id", "applied_at", *OLD_COLUMNS)
    known = dict(zip(names, zip(*rows, strict=True) if rows else ((),) * len(names), strict=True))
    known["model_version"] = (TAKEN,) * len(rows)
    columns = [pa.array(known.get(field.name, (None,) * len(rows)), field.type) for field in COLUMNS]
    return pa.Table.from_arrays(columns, schema=COLUMNS)
