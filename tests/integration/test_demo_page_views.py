"""The demo of the page views: what it proves, and that it can fail."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.integration.demonstrated import demo, differences
from tests.topics import Sent, produce, read

pytestmark = pytest.mark.timeout(600)  # Spark starts three times


@pytest.mark.soak  # a minute and a half; test_page_views_killed is as hard on the service
def test_a_window_that_no_view_has_made_is_found_in_topic_and_table_and_is_all_that_fails_the_demo(
    tmp_path: Path,
) -> None:
    with demo(tmp_path, "page-views", "--visitors", "30", "--seconds", "8") as running:
        running.wait_for("a view comes a day late", 500)
        found = re.search(r"it answers: (\S+)", running.text)
        assert found is not None
        window = json.loads(read(found[1], "aggregate_page_views")[0].value or b"")
        forged = json.dumps({**window, "path": "/forged"}).encode()
        produce(found[1], "aggregate_page_views", [Sent(forged, b"/forged")])
        assert running.wait(500) == 1, running.text
        assert sorted(differences(running).values()) == [0, 0, 0, 0, 0, 1, 1], running.text
        assert "path='/forged'" in running.text
        assert "kill -9 in the middle of it, and started again" in running.text
        running.wait_until(running.nothing_is_left)
