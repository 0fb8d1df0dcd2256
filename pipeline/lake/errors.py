"""What the lakehouse says when it is away, or when somebody else was faster, by fate."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from pipeline.runtime.errors import Fatal, Transient

NAME: Final = "the lakehouse"


@contextmanager
def translated() -> Iterator[None]:
    """Errors of catalog and files become `Transient`, or `Fatal` where waiting mends nothing.

    They tell classes and codes only: texts of others may hold passwords, or values of rows.
    """
    from botocore.exceptions import BotoCoreError, ClientError
    from pyarrow import ArrowException  # type: ignore[import-untyped]
    from pyiceberg.exceptions import (
        CommitFailedException,
        CommitStateUnknownException,
        NoSuchTableError,
        NotInstalledError,
        ValidationException,
    )
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except NotInstalledError as error:
        raise Fatal(f"a package for the lakehouse is missing: {error}") from None
    except NoSuchTableError:
        raise Fatal("a table of the lakehouse is not there: its service makes what is missing when it starts") from None
    except (CommitFailedException, ValidationException):
        raise _away("another writer of the table was faster") from None
    except (SQLAlchemyError, BotoCoreError, ClientError, CommitStateUnknownException, ArrowException, OSError) as error:
        raise _away(f"the lakehouse does not answer as it should ({_told(error)})") from None


def _away(text: str) -> Transient:
    error = Transient(text)
    error.waits_for = NAME
    return error


def _told(error: Exception) -> str:
    cause = getattr(error, "orig", None) or error
    code = getattr(cause, "errno", None)
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        code = response.get("Error", {}).get("Code", code)
    return f"{type(cause).__name__} {code}" if code else type(cause).__name__
