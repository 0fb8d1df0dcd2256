"""Our errors as Airflow's: what nobody's patience mends fails a task at once, the rest is tried again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from orchestration.session import Closed
from pipeline.runtime.errors import Fatal, Halted
from pipeline.settings.errors import SettingsError


@contextmanager
def fates() -> Iterator[None]:
    """`Transient` passes, for Airflow to try the task again."""
    try:
        yield
    except Closed as closed:
        raise AirflowSkipException(str(closed)) from None
    except (Fatal, Halted, SettingsError) as error:
        raise AirflowFailException(str(error)) from None
