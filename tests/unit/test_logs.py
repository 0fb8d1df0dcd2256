"""Log lines: JSON with the standard fields, and nothing of a message in them."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
import structlog

from pipeline.messages.records import Record
from pipeline.runtime.errors import Halted
from pipeline.runtime.logs import configure


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What is logged; the set-up of the test run comes back afterwards."""
    root, config = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    root.handlers.clear()
    configure(stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**config)


def parsed(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_json_with_time_level_and_event(lines: io.StringIO) -> None:
    structlog.get_logger().info("batch done", messages=3, seconds=Decimal("0.5"))
    structlog.get_logger().debug("not said")
    (line,) = parsed(lines)
    assert line.pop("ts").endswith("Z")
    assert line == {"level": "info", "event": "batch done", "messages": 3, "seconds": "0.5"}


def test_other_libraries_warnings_are_lines_of_the_same_shape(lines: io.StringIO) -> None:
    logging.getLogger("botocore").warning("slow %s", "answer")
    logging.getLogger("botocore").info("not said")
    (line,) = parsed(lines)
    assert line.pop("ts").endswith("Z")
    assert line == {"level": "warning", "event": "slow answer"}


def test_neither_payloads_nor_records_nor_texts_of_foreign_errors_are_logged(lines: io.StringIO) -> None:
    record = Record("shard", "1", 0, 0, b"4111111111111111")
    structlog.get_logger().info("seen", record=record, payload={"memo": "4111111111111111"}, pin=4111)
    try:
        int("x4111111111111111")
    except ValueError:
        structlog.get_logger().exception("failed")
        logging.getLogger("elsewhere").exception("failed")
    assert "4111" not in lines.getvalue()
    _, own, foreign = parsed(lines)
    assert own["error"] == foreign["error"] == "ValueError"
    assert own["trace"] == foreign["trace"]
    assert "test_logs.py" in own["trace"][0]


def test_an_error_of_ours_is_told_in_full(lines: io.StringIO) -> None:
    structlog.get_logger().error("stopped", exc_info=Halted("database error 1146"))
    (line,) = parsed(lines)
    assert line["error"] == "Halted: database error 1146"
