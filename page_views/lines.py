"""The lines of a file of page views, which may be gzipped; and what identifies the file."""

from __future__ import annotations

import gzip
import hashlib
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from page_views.view import LONGEST, is_header

SUFFIXES: Final = (".csv", ".csv.gz")
GZIP: Final = b"\x1f\x8b"
AT_ONCE: Final = 1 << 20
BOM: Final = b"\xef\xbb\xbf"


class Broken(Exception):
    """A file that cannot be read to its end."""


class Changed(Exception):
    """A file that is being written while it is read."""


class Identity(NamedTuple):
    """The same file again is one of the same name and content."""

    name: str
    size: int
    sha256: str


def is_view_file(path: Path) -> bool:
    """Whether a file is one of page views, and whole by its name: a temporary name ends or begins otherwise."""
    return path.name.lower().endswith(SUFFIXES) and not path.name.startswith((".", "_"))


class ViewFile:
    """An open file: one that is removed or replaced meanwhile stays what it was."""

    def __init__(self, name: str, file: BinaryIO) -> None:
        self._name, self._file = name, file
        self._stat = self._look()

    def identity(self) -> Identity:
        """Reads all of it."""
        self._file.seek(0)
        digest = hashlib.sha256()
        size = 0
        while piece := self._file.read(AT_ONCE):
            digest.update(piece)
            size += len(piece)
        return Identity(self._name, size, digest.hexdigest())

    def probe(self) -> None:
        """Raises `Broken` where it is gzipped and is not whole."""
        if self._gzipped():
            self._file.seek(0)
            with gzip.GzipFile(fileobj=self._file) as unpacked:
                try:
                    while unpacked.read(AT_ONCE):
                        pass
                except (EOFError, gzip.BadGzipFile, zlib.error):
                    raise Broken(self._name) from None

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Line by line with its number, from 1, without its end; but for blank ones and a header at the beginning.

        Of one that is too long, more than may be is given, and not all.
        """
        gzipped = self._gzipped()
        self._file.seek(0)
        source = gzip.GzipFile(fileobj=self._file) if gzipped else self._file
        number = 0
        while piece := source.readline(LONGEST + 2):
            number += 1
            rest = piece
            while not rest.endswith(b"\n") and (rest := source.readline(AT_ONCE)):
                pass
            line = piece.removesuffix(b"\n").removesuffix(b"\r")
            if number == 1:
                line = line.removeprefix(BOM)
            if line.strip() and not (number == 1 and is_header(line)):
                yield number, line

    def check(self) -> None:
        """Raises `Changed` where it has been written to since it was opened."""
        if self._look() != self._stat:
            raise Changed(self._name)

    def _look(self) -> tuple[int, int]:
        found = os.fstat(self._file.fileno())
        return found.st_size, found.st_mtime_ns

    def _gzipped(self) -> bool:
        self._file.seek(0)
        return self._file.read(2) == GZIP
