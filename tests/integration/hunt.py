"""A hunt for marked secrets wherever the service may have left one."""

from __future__ import annotations

import json
import re
import urllib.request
from base64 import b64encode
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.schema import Schema

OWNED = {("cards", name) for name in ("card_num", "pin", "cvc1", "cvc2")} | {("card_transactions", "card_num")}
"""(table, column): where the bank itself keeps card numbers, PINs and codes."""


@dataclass(frozen=True)
class Hunt:
    """`secrets`: digits that may be nowhere; those in `memos` may be in columns named `memo`, which are as sent.

    `letters`: tables of DynamoDB. `files`: logs. `folders`: every file in them.
    """

    secrets: Collection[str]
    memos: Collection[str]
    schema: Schema
    dynamodb: Any
    moto: str
    letters: Sequence[str] = ()
    files: Collection[Path] = ()
    folders: Collection[Path] = ()
    searched: dict[str, int] = field(default_factory=dict)
    """Kind of place → the most bytes that were ever searched there."""

    def leaks(self) -> set[str]:
        """ "<place>: <secret>" for each that is found in any place, now."""
        return {
            *self.in_files(),
            *self._found("tables", self._cells()),
            *self._found("letters", self._items()),
            *self._found("mails", self._mails()),
        }

    def in_files(self) -> set[str]:
        """The same, for logs and folders alone."""
        scratch = [path for folder in self.folders for path in folder.rglob("*")]
        return self._found("logs", _contents(self.files)) | self._found("folders", _contents(scratch))

    def _found(self, kind: str, places: Mapping[str, bytes]) -> set[str]:
        self.searched[kind] = max(self.searched.get(kind, 0), sum(map(len, places.values())))
        return {
            f"{place}: {secret}"
            for place, content in places.items()
            for secret in self.secrets
            if not (place.endswith(".memo") and secret in self.memos) and _holds(content, secret)
        }

    def _cells(self) -> dict[str, bytes]:
        places = {}
        for (table,) in self.schema.query("SHOW TABLES"):
            ((_, made),) = self.schema.query(f"SHOW CREATE TABLE `{table}`")
            places[f"definition of {table}"] = made.encode()
            for column, *_ in self.schema.query(f"SHOW COLUMNS FROM `{table}`"):
                if (table, column) not in OWNED:
                    cells = self.schema.query(f"SELECT `{column}` FROM `{table}`")
                    places[f"{table}.{column}"] = b"\n".join(_bytes(cell) for (cell,) in cells)
        return places

    def _items(self) -> dict[str, bytes]:
        pages = {table: self.dynamodb.scan(TableName=table, ConsistentRead=True) for table in self.letters}
        return {
            f"{table} {number}": repr(item).encode()
            for table, page in pages.items()
            for number, item in enumerate(page["Items"])
        }

    def _mails(self) -> dict[str, bytes]:
        with urllib.request.urlopen(f"{self.moto}/moto-api/data.json") as answer:
            mails = json.load(answer).get("ses", {}).get("Message", [])
        return {f"mail {number}": json.dumps(mail).encode() for number, mail in enumerate(mails)}


def _contents(paths: Collection[Path]) -> dict[str, bytes]:
    return {path.name: content for path, content in _readable(paths)}


def _readable(paths: Collection[Path]) -> Iterator[tuple[Path, bytes]]:
    """Files may vanish while they are looked at."""
    for path in paths:
        try:
            if path.is_file():
                yield path, path.read_bytes()
        except FileNotFoundError:
            continue


def _bytes(cell: object) -> bytes:
    return bytes(cell) if isinstance(cell, bytes | bytearray) else str(cell).encode()


def _holds(content: bytes, secret: str) -> bool:
    """Short ones only as a word of their own, since any digits may stand within a time or a sequence number.

    Long ones also as base64 writes them, wherever they begin.
    """
    mark = secret.encode()
    if len(secret) < 10:
        return re.search(rb"(?<![0-9A-Za-z.])" + mark + rb"(?![0-9A-Za-z])", content) is not None
    return mark in content or any(coded in content for coded in _base64(mark))


def _base64(mark: bytes) -> Iterator[bytes]:
    for before, unsure in enumerate((0, 2, 3)):
        yield b64encode(b"\0" * before + mark)[unsure:-4]
