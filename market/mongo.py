"""MongoDB: a client for each process, and its errors by fate.

| error                                                            | fate        |
|------------------------------------------------------------------|-------------|
| the server is away, has no primary, is overloaded                | `Transient` |
| no right, wrong credentials, a full disk or quota, anything else | `Halted`    |
| a URI that cannot be used                                        | `Fatal`     |

A document that alone is refused is no error of the server: `candle_rows` sees to that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Final

from pymongo import MongoClient, ReadPreference, WriteConcern
from pymongo.database import Database
from pymongo.errors import (
    BulkWriteError,
    ConfigurationError,
    ConnectionFailure,
    ExecutionTimeout,
    InvalidURI,
    OperationFailure,
    PyMongoError,
)

from pipeline.runtime.errors import Fatal, Halted, PipelineError, Transient

AWAY: Final = "MongoDB"
PATIENCE_MS: Final = 5_000
"""For a server to be found or a connection to be made; then the batch is tried again."""
ANSWER_MS: Final = 30_000

PASSING: Final = frozenset({6, 7, 24, 50, 64, 89, 91, 112, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436, 16500})
"""Codes: unreachable, timed out, shutting down, no primary, write conflicts, throttled."""
PEOPLES: Final = frozenset({13, 18, 20, 8000, 14031, 12501})
"""Codes of the server, not of a document: no right, not in the mood for writes, over its quota, out of disk."""

NAMES: Final[Mapping[object, str]] = {
    121: "DocumentValidationFailure",
    10334: "BSONObjectTooLarge",
    11000: "DuplicateKey",
    17280: "KeyTooLong",
}

Client = MongoClient[dict[str, Any]]
Base = Database[dict[str, Any]]


@lru_cache(maxsize=8)
def client(uri: str, program: str = "candles") -> Client:
    """The client of this process; nothing is asked of the server yet. `program`: its name there. Raises `Fatal`."""
    options: dict[str, Any] = {"connectTimeoutMS": PATIENCE_MS, "serverSelectionTimeoutMS": PATIENCE_MS}
    try:
        return MongoClient(uri, **options, socketTimeoutMS=ANSWER_MS, appname=program, tz_aware=False)
    except (InvalidURI, ConfigurationError) as error:
        raise Fatal(f"MONGO_URI cannot be used: {type(error).__name__}") from None


def database(uri: str, name: str) -> Base:
    """A database whose writes are there once they are answered, unless the URI says otherwise."""
    found = client(uri)
    concern = WriteConcern("majority") if found.write_concern.is_server_default else found.write_concern
    return found.get_database(name, write_concern=concern)


def only_read(uri: str, name: str, program: str) -> Base:
    """A database to read from, of a secondary where there is one, unless the URI says otherwise. Raises `Fatal`."""
    found = client(uri, program)
    given = found.read_preference
    return found.get_database(
        name, read_preference=ReadPreference.SECONDARY_PREFERRED if given == ReadPreference.PRIMARY else given
    )


def probe(uri: str) -> None:
    """Ask whether the server is there. Raises `PipelineError`."""
    with by_fate("a ping"):
        client(uri).admin.command("ping")


@contextmanager
def by_fate(what: str) -> Iterator[None]:
    """Errors of the database within become ours, saying `what` was tried, never a value; `BulkWriteError` passes."""
    try:
        yield
    except BulkWriteError:
        raise
    except PyMongoError as error:
        raise told(error, what) from None


def told(error: PyMongoError, what: str) -> PipelineError:
    """The error by its fate."""
    fate: PipelineError
    if isinstance(error, (ConnectionFailure, ExecutionTimeout)):
        fate = Transient(f"MongoDB, {what}: {type(error).__name__}")
    elif isinstance(error, OperationFailure):
        fate = refused(error.details or {"code": error.code}, what)
    else:
        fate = Halted(f"MongoDB, {what}: {type(error).__name__}")
    fate.waits_for = AWAY
    return fate


def first_of(error: BulkWriteError, what: str) -> PipelineError:
    """The first error of many by its fate: of the server, where there is one, else of a document."""
    found = [*error.details["writeConcernErrors"], *error.details["writeErrors"]]
    return refused(min(found, key=lambda one: one.get("code") not in PASSING | PEOPLES), what)


def refused(details: Mapping[str, Any], what: str) -> PipelineError:
    """What the server says of a command or a write, by its fate."""
    code = details.get("code")
    kind = Transient if code in PASSING else Halted
    fate = kind(f"MongoDB, {what}: {name_of(details)} ({code})")
    fate.waits_for = AWAY
    return fate


def name_of(details: Mapping[str, Any]) -> str:
    """The name of an error's code, which servers leave out where a document alone is refused."""
    code = details.get("code")
    return str(details.get("codeName") or NAMES.get(code) or f"error {code}")
