"""The demos of the analytics: what they prove, and that they can fail."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.integration.demonstrated import demo, differences
from tests.topics import Sent, produce, read

STARTED_AGAIN = "kill -9 in the middle of it, and started again"
pytestmark = pytest.mark.timeout(600)  # Spark starts three times


@pytest.mark.soak  # test_demo_trading_day has the same, and more
def test_candles_end_as_a_batch_computation_although_the_service_was_killed(tmp_path: Path) -> None:
    with demo(tmp_path, "candles", "--minutes", "45", "--seconds", "8", "--symbols", "AAPL,BTC/USD") as running:
        assert running.wait(500) == 0, running.text
        assert STARTED_AGAIN in running.text
        assert list(differences(running).values()) == [0, 0, 0, 0], running.text
        assert re.search(r"^\d+ records; 0 differences$", running.text, re.MULTILINE)
        running.wait_until(running.nothing_is_left)


@pytest.mark.soak  # Spark starts three times; test_trades is as hard on the service, test_demo fails a demo in each run
def test_a_window_that_no_trade_has_made_is_found_and_fails_the_demo(tmp_path: Path) -> None:
    with demo(tmp_path, "trades", "--minutes", "1", "--seconds", "5", "--symbols", "AMC,GME") as running:
        running.wait_for("a trade comes 12 s late", 500)
        found = re.search(r"it answers: (\S+)", running.text)
        assert found is not None
        window = json.loads(read(found[1], "stocks_averages")[0].value or b"")
        forged = json.dumps({**window, "stockName": "FORGED"}).encode()
        produce(found[1], "stocks_averages", [Sent(forged, b"FORGED")])
        assert running.wait(500) == 1, running.text
        assert sorted(differences(running).values()) == [0, 0, 0, 1], running.text
        assert "name='FORGED'" in running.text
