"""What is said of the tables while the service runs."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

import pytest

from page_views.loader import Loader
from page_views.watch import TABLES_WAIT, Watch
from pipeline.lake.lake import Lake
from pipeline.observability.instruments import Instruments
from pipeline.runtime.errors import Transient
from pipeline.runtime.waiting import Waits


class Said:
    def __init__(self) -> None:
        self.instruments = Instruments("page-views", Waits(), time.time)
        self.alarms: Mapping[str, str] = {}

    def alarm(self, alarms: Mapping[str, str]) -> None:
        self.alarms = alarms

    def value(self, name: str) -> float:
        found = self.instruments.registry.get_sample_value(f"page_views_{name}")
        assert found is not None
        return found


def test_tables_that_wait_are_an_alarm_until_they_are_given_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    loader = Loader(
        Lake("file:///nowhere", "jdbc:mysql://127.0.0.1:1/lake"), {"bootstrap.servers": "127.0.0.1:1"}, "s", 1
    )
    said = Said()
    watch = Watch(loader, said, lambda: now)
    loader.state.whole = 40.0
    with pytest.raises(Transient):
        loader.take()
    watch.take()
    assert list(said.alarms) == [TABLES_WAIT]
    assert "does not answer" in said.alarms[TABLES_WAIT]
    assert said.value("tables_age_seconds") == 60.0
    good: Any = object()
    monkeypatch.setattr(Lake, "catalog", lambda _: good)
    monkeypatch.setattr(Loader, "_load", lambda self, catalog, feed: setattr(self.state, "rows", self.state.rows + 2))
    assert loader.take() == 6
    watch.take()
    assert said.alarms == {}
    assert said.value("tables_rows") == 6
    watch.forget()
    assert math.isnan(said.value("tables_age_seconds"))
