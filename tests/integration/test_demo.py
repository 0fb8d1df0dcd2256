"""The demo: what it proves, that it can fail, and that nothing of it is left however it ends."""

from __future__ import annotations

import re
import signal
from collections import Counter
from io import StringIO
from pathlib import Path

import mysql.connector
import pytest
from rich.console import Console

from demo.job import JobFailed, Progress, job
from demo.view import in_words, table_of
from pipeline.mysql.location import parse_mysql_location
from tests.integration.demonstrated import demo, runs

WORKING = "python stream_consumer.py"
"""What the demo says when the job starts: everything is put, and the opening balances are known."""


def test_a_small_demo_accounts_for_every_message_and_leaves_nothing(tmp_path: Path) -> None:
    with demo(tmp_path, "--messages", "2000") as running:
        assert running.wait() == 0, running.text
        said = re.search(
            r"2,000 messages: ([\d,]+) rows, (\d+) letters, (\d+) skipped, (\d+) repeats; "
            r"money: [\d,]+\.\d\d in all balances before and after; 0 violations",
            running.text,
        )
        assert said is not None, running.text
        assert sum(int(count.replace(",", "")) for count in said.groups()) == 2_000
        assert "2,000 of 2,000 messages" in running.text
        running.wait_until(running.nothing_is_left)
        assert not [path for path in running.folder.iterdir() if path.name.startswith("demo-")]


def test_a_cent_that_nobody_sent_is_found_and_fails_the_demo(tmp_path: Path) -> None:
    with demo(tmp_path, "--messages", "500") as running:
        running.wait_for(WORKING)
        found = re.search(r"mysql://\S+", running.text)
        assert found is not None
        where = parse_mysql_location(found.group())
        with mysql.connector.connect(
            host=where.host,
            port=where.port,
            user=where.user,
            password=where.password,
            database=where.schema,
            autocommit=True,
        ) as connection:
            connection.cursor().execute("UPDATE accounts SET balance = balance + 0.01 WHERE id = 1")
        assert running.wait() == 1, running.text
        assert "I1: in the end: the balances sum up to" in running.text
        assert "I3: accounts 1: the balance is" in running.text
        assert "; 0 violations" not in running.text


@pytest.mark.parametrize(("signalled", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, signal.SIGKILL)])
def test_nothing_outlives_a_demo_that_is_interrupted_or_killed(
    tmp_path: Path, signalled: signal.Signals, code: int
) -> None:
    with demo(tmp_path, "--messages", "8000") as running:
        running.wait_for(" of 8,000 messages, ")
        assert any("java" in process.name() for process in running.descendants if runs(process))
        running.process.signal(signalled)
        assert running.wait() == code, running.text
        running.wait_until(running.nothing_is_left)
        assert "Traceback" not in running.text


def test_what_is_missing_is_said_in_one_line_with_what_to_do(tmp_path: Path) -> None:
    with demo(tmp_path, "--messages", "100", PATH="/nowhere") as running:
        assert running.wait() == 1
        assert re.search(r"^demo: \S+ is missing: run `make setup`.*$", running.text, re.MULTILINE)
        assert "Traceback" not in running.text


def test_a_job_that_fails_gives_its_own_reason(tmp_path: Path) -> None:
    wrong = {"MYSQL_LOC": "nonsense", "MYSQL_USER": "u", "MYSQL_PASS": "p"}
    with job(wrong, tmp_path) as running, pytest.raises(JobFailed, match=r"ended with 2: the settings.*\n +MYSQL_LOC"):
        list(running.follow())


def test_progress_is_what_the_log_tells() -> None:
    progress = Progress(total=12)
    batch = {"event": "batch", "level": "info", "ts": "2026-01-01T00:00:04Z", "behind_ms": 700}
    outcomes = {"": {"letter:not_json": 1}, "transaction": {"1": 7, "-1": 1, "duplicate": 2, "skipped": 1}}
    progress.hear({"event": "leading", "level": "info", "ts": "2026-01-01T00:00:00Z"})
    progress.hear({**batch, "outcomes": outcomes})
    assert (progress.messages, progress.per_second, progress.behind_ms) == (12, 3.0, 700)
    assert in_words(progress.outcomes) == "8 rows, 1 letters, 1 skipped, 2 repeats"
    progress.hear({"event": "waiting", "level": "warning", "ts": "2026-01-01T00:00:05Z", "reason": "no database"})
    assert progress.complaints == ["waiting no database"]


def test_the_table_has_every_outcome_of_every_type_and_their_sums() -> None:
    outcomes = Counter({("transaction", "1"): 7, ("stock", "-2"): 2, ("", "letter:not_json"): 1, ("stock", "none"): 3})
    console = Console(width=100, file=StringIO(), record=True)
    console.print(table_of(outcomes, reasons=True))
    lines = [" ".join(line.split()) for line in console.export_text().splitlines()]
    for line in ("1 accepted 7 7", "-2 inactive (stock: negative) 2 2", "letter: not json 1 1", "no outcome 3 3"):
        assert line in lines
    assert "all 7 0 0 5 1 13" in lines
