"""Small files in a folder of this machine or in a store (s3a://, hdfs://, …), each written whole or not at all."""

from __future__ import annotations

import re
from pathlib import Path

from pyarrow import ArrowException, fs  # type: ignore[import-untyped]

from pipeline.runtime.errors import Fatal, Transient

STORE = "the checkpoint's store"


class Files:
    """`root`: a folder or URI, as Spark takes it. Methods raise `Transient` where the store is away.

    `setting`: that names it; `store`: what is away, then. Raises `Fatal` where it is nothing that files can be kept in.
    """

    def __init__(self, root: str, setting: str = "CHECKPOINT_DIR", store: str = STORE) -> None:
        remote = re.match(r"(?!file:)[a-z][a-z0-9+.-]+://", root)
        here = str(Path(re.sub(r"^file:(//)?", "", root)).resolve())
        self.uri = root.rstrip("/") if remote else f"file://{here}"  # blanks and % as they are: Hadoop decodes none
        try:
            self._system, self._root = _system(self.uri) if remote else (fs.LocalFileSystem(), here)
        except (OSError, ArrowException) as error:
            raise Fatal(f"{setting} {self.uri} cannot be used: {error}") from error
        self._store = store
        self._local = isinstance(self._system, fs.LocalFileSystem)

    def read(self, name: str) -> str | None:
        """A file's text, None where there is none."""
        content = self.get(name)
        return None if content is None else content.decode()

    def get(self, name: str) -> bytes | None:
        """A file's content, None where there is none."""
        try:
            with self._system.open_input_stream(self._path(name)) as file:
                return bytes(file.read())
        except FileNotFoundError:
            return None
        except (OSError, ArrowException) as error:
            raise self._away(error) from error

    def write(self, name: str, text: str) -> None:
        """Make or replace a file, and its folder where that is missing."""
        self.put(name, text.encode())

    def put(self, name: str, content: bytes) -> None:
        """The same with bytes."""
        path = self._path(name)
        try:
            self._system.create_dir(path.rpartition("/")[0], recursive=True)
            written = f"{path}.new" if self._local else path  # elsewhere a file appears once it is closed
            with self._system.open_output_stream(written) as file:
                file.write(content)
            if self._local:
                self._system.move(written, path)
                self._forget_checksum(path)
        except (OSError, ArrowException) as error:
            raise self._away(error) from error

    def remove(self, name: str) -> None:
        """Remove a file that may be absent already."""
        try:
            self._system.delete_file(self._path(name))
            if self._local:
                self._forget_checksum(self._path(name))
        except FileNotFoundError:
            return
        except (OSError, ArrowException) as error:
            raise self._away(error) from error

    def names(self, folder: str = "") -> list[str]:
        """The names of the files in a folder, none where that is missing."""
        try:
            return [info.base_name for info in self._in(folder) if info.is_file]
        except (OSError, ArrowException) as error:
            raise self._away(error) from error

    def folders(self, folder: str) -> list[str]:
        """The names of the folders in a folder, none where that is missing."""
        try:
            return [info.base_name for info in self._in(folder) if not info.is_file]
        except (OSError, ArrowException) as error:
            raise self._away(error) from error

    def _in(self, folder: str) -> list[fs.FileInfo]:
        selector = fs.FileSelector(self._path(folder), allow_not_found=True)
        return list(self._system.get_file_info(selector))

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}".rstrip("/")

    def _forget_checksum(self, path: str) -> None:
        """Hadoop keeps one beside each file of a local folder, and would refuse a file that has changed."""
        at = Path(path)
        (at.parent / f".{at.name}.crc").unlink(missing_ok=True)

    def _away(self, error: Exception) -> Transient:
        away = Transient(f"{self._store}: {type(error).__name__}: {error}")
        away.waits_for = self._store
        return away


def _system(uri: str) -> tuple[fs.FileSystem, str]:
    found: tuple[fs.FileSystem, str] = fs.FileSystem.from_uri(re.sub(r"^s3[an]:", "s3:", uri))
    return found
