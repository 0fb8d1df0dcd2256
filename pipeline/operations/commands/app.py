"""The commands that look: what they are asked, and how they answer."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.console.output import WrongUsage
from pipeline.runtime import logs
from pipeline.runtime.errors import PipelineError, Transient
from pipeline.runtime.redacted_errors import RedactedErrors
from pipeline.settings.errors import SettingsError

if TYPE_CHECKING:
    from pipeline.operations.description import Compose
    from pipeline.operations.workbench import Workbench

HELP = """\
Look at the service and mend it, from any machine that has its settings (environment variables, docs/settings.md).

Start with `check` before the service runs for the first time, and with `status` while it runs. Exit codes of every
command: 0 all is well; 1 something is wrong, or left to do; 2 wrong settings or usage. `--json` answers for machines,
on stdout; progress and errors are on stderr.
"""

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help=HELP,
)

Json = Annotated[bool, typer.Option("--json", help="Answer for machines: one JSON document.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Who = Annotated[str | None, typer.Option("--as", metavar="NAME", help="Who you are, for the log of operations.")]
Reason = Annotated[str | None, typer.Option(help="Only letters of this reason, as `letters` names them.")]
Type = Annotated[str | None, typer.Option(help="Only letters of this message type; '' for those without one.")]


def run(context: typer.Context, action: Callable[[Workbench], int]) -> None:
    """Read the settings, do it, and end with its exit code; of an error, one line that says what to do next."""
    raise typer.Exit(_code(context.obj, action, context.info_name or ""))


def _code(compose: Compose, action: Callable[[Workbench], int], command: str) -> int:
    logs.configure()
    try:
        settings = compose.settings.read(os.environ)
        from pipeline.operations.workbench import Workbench  # AWS' and the database's libraries take a second to load

        with RedactedErrors():
            return action(Workbench(settings, compose.describe(settings)))
    except SettingsError as error:
        return _said(str(error), 2)
    except WrongUsage as error:
        return _said(f"{command}: {error}", 2)
    except Transient as error:
        return _said(f"{command}: {error}: run it again; `python -m pipeline check` says what is away", 1)
    except PipelineError as error:
        return _said(f"{command}: {error}", 1)


def _said(line: str, code: int) -> int:
    sys.stderr.write(f"{line}\n")
    return code


def shown(value: Any) -> str:
    """A count, a text, or nothing, for a table's cell."""
    return "" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
