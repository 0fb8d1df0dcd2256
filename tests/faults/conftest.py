"""A trial for every test that needs nothing but a schema on the shared database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.trial import Trial
from tests.schema import Schema


@pytest.fixture
def trial(moto: str, database: Schema, tmp_path: Path) -> Iterator[Trial]:
    """A trial on moto, with one shard, odd traffic and a slow database."""
    with Trial(database, moto, tmp_path, seed=1) as trial:
        yield trial
