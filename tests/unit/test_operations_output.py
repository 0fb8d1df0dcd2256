"""What the command line teaches: every command has help with an example and says when it ends with what."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import timedelta
from io import StringIO
from typing import cast

import pytest
from rich.console import Console
from typer.core import TyperGroup
from typer.main import get_command
from typer.testing import CliRunner

from pipeline.__main__ import app
from pipeline.console.output import WrongUsage, answer, table
from pipeline.operations.letters.listing import read_key
from pipeline.runtime.durations import span

GROUP = cast(TyperGroup, get_command(app()))
COMMANDS = sorted(
    (*path, name)
    for path, group in [((), GROUP), *(((name,), one) for name, one in GROUP.commands.items())]
    if isinstance(group, TyperGroup)
    for name, one in group.commands.items()
    if not isinstance(one, TyperGroup)
)
"""The words of each command: those of other services than the money begin with its name."""


def test_the_help_lists_every_command_and_the_exit_codes() -> None:
    shown = " ".join(CliRunner().invoke(app(), ["--help"], env={"COLUMNS": "200"}).stdout.split())
    assert all(words[0] in shown for words in COMMANDS)
    assert "2 wrong settings or usage" in shown
    assert len(COMMANDS) >= 20


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_shows_an_example(words: tuple[str, ...]) -> None:
    """Services share some commands: the example may be another one's."""
    shown = CliRunner().invoke(app(), [*words, "--help"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0
    assert re.search(rf"python -m pipeline {r'[a-z-]+ ' * (len(words) - 1)}{words[-1]}", shown.stdout)


def test_wrong_usage_ends_with_2() -> None:
    for arguments in (["redrive", "--nonsense"], ["replay", "--from", "yesterday", "--to", "today"], ["unknown"]):
        assert CliRunner().invoke(app(), arguments).exit_code == 2


def test_wrong_settings_end_it_before_any_library_is_loaded() -> None:
    code = (
        "import sys, os; os.environ.clear(); sys.argv = ['pipeline', 'status']\n"
        "import runpy\n"
        "try: runpy.run_module('pipeline', run_name='__main__')\n"
        "except SystemExit as end: print(end.code, {'boto3', 'mysql', 'pyspark'} & set(sys.modules))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.stdout == "2 set()\n", ended.stderr
    assert ended.stderr.startswith("the settings are wrong:")


def test_nothing_in_a_table_is_cut_and_what_is_to_be_copied_stays_in_one_piece() -> None:
    shown, screen = table("reason", "how it is", "what to do", whole=1), StringIO()
    shown.add_row("balance_overflow", "a longer text than there is room for", "--retention-period-hours=" + "1" * 40)
    Console(file=screen, width=60).print(shown)
    assert "balance_overflow" in screen.getvalue()
    assert "…" not in screen.getvalue()
    assert screen.getvalue().count("1") == 40


@pytest.mark.parametrize(("columns", "lines"), [(None, 1), ("30", 2), ("240", 1)])
def test_an_answer_is_as_wide_as_its_place_is_when_it_is_given(
    columns: str | None, lines: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns is not None:
        monkeypatch.setenv("COLUMNS", columns)
    answer(False, None, " ".join(["word"] * 10))
    assert capsys.readouterr().out.count("\n") == lines


def test_a_key_is_a_number_or_an_identity() -> None:
    assert read_key("7") == 7
    assert read_key("ff" * 16) == (2**128 - 1) % 10**38
    for wrong in ("", "0x7", "seven", "9" * 39, "-1"):
        with pytest.raises(WrongUsage):
            read_key(wrong)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.9, "59 s"), (61, "1 min 1 s"), (7200, "2 h"), (90_061, "1 d 1 h"), (-5, "0 s")],
)
def test_a_length_of_time_is_said_in_its_two_largest_units(seconds: float, text: str) -> None:
    assert span(timedelta(seconds=seconds)) == text
