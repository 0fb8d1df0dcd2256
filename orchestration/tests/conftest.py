"""An Airflow of the tests' own: folder, database, and what its processes are told."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent.parent
HOME = tempfile.TemporaryDirectory(prefix="airflow-")
# Airflow reads this when it is imported, which pytest does while it collects.
os.environ |= {
    "AIRFLOW_HOME": HOME.name,
    "AIRFLOW__CORE__DAGS_FOLDER": str(HERE / "dags"),
    "AIRFLOW__CORE__PLUGINS_FOLDER": str(HERE / "plugins"),
    "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
    "STEP_RETRIES": "0",
}


@pytest.fixture(scope="session")
def database() -> Iterator[None]:
    """Airflow's tables."""
    from airflow.utils.db import initdb

    initdb()
    yield
    HOME.cleanup()
