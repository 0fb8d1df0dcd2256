"""The demo of loan scoring: what it proves, and that it can fail."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa  # type: ignore[import-untyped]
import pytest

from loan_scoring.names import PREDICTIONS
from pipeline.lake.lake import Lake
from tests.integration.demonstrated import demo, differences

pytestmark = pytest.mark.timeout(900)  # Spark starts four times


@pytest.mark.soak  # a minute and a half; test_loan_scoring_killed is as hard on the service
def test_a_row_that_nobody_applied_for_is_found_and_is_all_that_fails_the_demo(tmp_path: Path) -> None:
    with demo(tmp_path, "loan-scoring", "--number", "3000", "--seconds", "20") as running:
        running.wait_for("maintain-tables makes few of them", 600)
        found = re.search(r"the lakehouse: (\S+) (\S+)", running.text)
        assert found is not None
        table = Lake(found[1], found[2]).catalog().load_table(PREDICTIONS)
        one = table.scan(limit=1).to_arrow()
        table.append(pa.Table.from_pylist([{**one.to_pylist()[0], "application_id": "forged"}], schema=one.schema))
        assert running.wait(600) == 1, running.text
        assert sorted(differences(running).values()) == [0, 0, 1], running.text
        assert "forged should not be there" in running.text
        assert "kill -9 in the middle of it, and started again" in running.text
        running.wait_until(running.nothing_is_left)
