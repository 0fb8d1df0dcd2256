"""The demo of the market: what it proves."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.integration.demonstrated import demo, differences

pytestmark = pytest.mark.timeout(600)  # Spark starts twice


def test_a_trading_day_is_whole_in_topics_documents_and_browser_although_it_was_killed(tmp_path: Path) -> None:
    """An hour of it, at 60 times its speed."""
    with demo(tmp_path, "market", "--minutes", "60", "--symbols", "AAPL,BTC/USD") as running:
        assert running.wait(500) == 0, running.text
        assert re.search(r"the dashboard: http://127\.0\.0\.1:\d+/", running.text)
        assert "kill -9 of feed and stream in the midst of it, and started again" in running.text
        assert list(differences(running).values()) == [0] * 6, running.text
        assert "a trading day of 2 symbols; 0 differences" in running.text
        running.wait_until(running.nothing_is_left)
