"""The command line that services plug their commands into."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import pytest
import typer
from typer.testing import CliRunner, Result

from pipeline.console.command_line import PROGRAM, ServiceCommands, command_line, run
from pipeline.console.output import WrongUsage
from pipeline.runtime.errors import Fatal, Transient
from pipeline.settings.group import SettingsGroup, setting

ROOT = Path(__file__).resolve().parents[2]


class ClickSettings(SettingsGroup):
    """Clicks."""

    title: ClassVar = "clicks"

    click_gap: int = setting("Pause that ends a visit", "60", "seconds", ge=1)


class TillSettings(SettingsGroup):
    """The till."""

    title: ClassVar = "till"

    till: str = setting("Which till", "main", "name", default="main")


def status(context: typer.Context) -> None:
    """How it is doing."""

    def told(bench: str) -> int:
        typer.echo(bench)
        return 1

    run(context, told)


def fail(context: typer.Context, how: str) -> None:
    """Raises what it is told to."""
    errors = {"usage": WrongUsage("not so"), "away": Transient("1213"), "fatal": Fatal("no table")}

    def failing(bench: str) -> int:
        raise errors[how]

    run(context, failing)


TILL = ServiceCommands("", "The till.", TillSettings, lambda read: f"till {read.till}", {"Look": (status, fail)})
CLICKS = ServiceCommands(
    "clicks", "Counts clicks.", ClickSettings, lambda read: f"a gap of {read.click_gap}", {"Look": (status, fail)}
)


def invoke(*arguments: str, **environment: str) -> Result:
    app = command_line([TILL, CLICKS])
    return CliRunner().invoke(app, arguments, env={**environment, "COLUMNS": "200"}, prog_name=PROGRAM)


def test_each_service_has_its_commands_its_settings_and_what_they_work_with() -> None:
    top = invoke("status", TILL="back")
    assert (top.exit_code, top.stdout) == (1, "till back\n")
    under = invoke("clicks", "status", CLICK_GAP="60")
    assert (under.exit_code, under.stdout) == (1, "a gap of 60\n")


def test_only_the_settings_of_the_service_that_is_asked_are_read() -> None:
    assert invoke("status").exit_code == 1
    wrong = invoke("clicks", "status")
    assert wrong.exit_code == 2
    assert "CLICK_GAP is missing" in wrong.stderr


@pytest.mark.parametrize(
    ("how", "code", "line"),
    [
        ("usage", 2, "fail: not so\n"),
        ("fatal", 1, "fail: no table\n"),
        ("away", 1, "fail: 1213: run it again; `python -m pipeline clicks check` says what is away\n"),
    ],
)
def test_an_error_is_one_line_that_says_what_to_do(how: str, code: int, line: str) -> None:
    failed = invoke("clicks", "fail", how, CLICK_GAP="60")
    assert (failed.exit_code, failed.stderr) == (code, line)


def test_the_help_names_services_and_headings_and_each_service_has_its_own() -> None:
    shown = invoke("--help").stdout
    assert all(words in shown for words in ("Look", "Other services", "clicks", "Counts clicks.", "settings"))
    assert "How it is doing." in invoke("clicks", "--help").stdout
    assert invoke("clicks").exit_code == 2


def test_the_page_of_settings_is_of_all_services() -> None:
    page = invoke("settings").stdout
    assert "## till" in page
    assert "| `CLICK_GAP` |" in page


def test_importing_commands_registers_and_loads_nothing() -> None:
    code = (
        "import sys, bank_stream.operations, pipeline.__main__, typer\n"
        "print({'boto3', 'mysql', 'pyspark', 'rich.progress'} & set(sys.modules))\n"
        "print([name for module in list(sys.modules.values()) if module.__name__.startswith(('pipeline', 'bank'))\n"
        "       for name, value in vars(module).items() if isinstance(value, typer.Typer)])"
    )
    shown = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert shown.splitlines()[1] == "[]"
    assert not {"boto3", "mysql", "pyspark"} & set(shown.splitlines()[0].split("'"))
