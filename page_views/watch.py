"""What a running service says of its tables: when they were given something last, and what keeps them waiting."""

from __future__ import annotations

import time
from collections.abc import Callable

from page_views.loader import Loader
from pipeline.structured.service import Told

TABLES_WAIT = "tables wait"


class Watch:
    """A poll. `told`: where it is said."""

    name = "the tables"

    def __init__(self, loader: Loader, told: Told, clock: Callable[[], float] = time.monotonic) -> None:
        self._loader, self._told, self._clock = loader, told, clock
        self._age = told.instruments.gauge("tables_age_seconds", "Since all that the topics held was in the tables")
        self._rows = told.instruments.gauge("tables_rows", "Rows of facts and windows that this process has added")

    def take(self) -> None:
        state = self._loader.state
        self._age.set(self._clock() - state.whole)
        self._rows.set(state.rows)
        self._told.alarm({TABLES_WAIT: state.trouble} if state.trouble else {})

    def forget(self) -> None:
        """Nobody trusts old numbers."""
        self._age.set(float("nan"))
        self._rows.set(float("nan"))
