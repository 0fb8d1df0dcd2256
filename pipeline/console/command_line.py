"""The operators' command line, built from what each service gives to it.

A command is a function as Typer takes it, whose first parameter is `context: typer.Context`; it ends with
`run(context, action)`, where `action` is given what the service's commands work with and gives the exit code. Nothing
is registered or loaded while modules are imported: `command_line` builds it all.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import typer

from pipeline.console.application import application
from pipeline.console.output import WrongUsage
from pipeline.runtime import logs
from pipeline.runtime.errors import PipelineError, Transient
from pipeline.runtime.redacted_errors import RedactedErrors
from pipeline.settings.document import page
from pipeline.settings.errors import SettingsError
from pipeline.settings.group import SettingsGroup

PROGRAM = "python -m pipeline"
HOW = """\
Start with `check` before a service runs for the first time, and with `status` while it runs. Exit codes of every
command: 0 all is well; 1 something is wrong, or left to do; 2 wrong settings or usage. `--json` answers for machines,
on stdout; progress and errors are on stderr.
"""
HELP = f"""\
Look at the services and mend them, from any machine that has their settings (environment variables, docs/settings.md).

{HOW}"""


@dataclass(frozen=True)
class ServiceCommands:
    """What one service gives to the command line.

    `name`: its commands come after this word; without one they stand at the top. `summary`: a line of help.
    `settings`: read before each command. `workbench`: what commands work with, made from the settings; the place to
    load what takes long to load. `commands`: heading in the help → commands, named as their functions.
    """

    name: str
    summary: str
    settings: type[SettingsGroup]
    workbench: Callable[[Any], Any]
    commands: Mapping[str, Sequence[Callable[..., None]]]


def command_line(services: Sequence[ServiceCommands], others: Sequence[type[SettingsGroup]] = ()) -> typer.Typer:
    """The whole of it. `others`: settings of programs that have no commands."""
    app = application(HELP)
    for service in services:
        under = application(f"{service.summary}\n\n{HOW}") if service.name else app
        under.callback()(_remembered(service))
        for heading, commands in service.commands.items():
            for command in commands:
                under.command(rich_help_panel=heading)(command)
        if service.name:
            app.add_typer(under, name=service.name, rich_help_panel="Other services, each with commands of its own")

    @app.command(rich_help_panel="Learn")
    def settings() -> None:
        """Every setting of every service: the page docs/settings.md.

        python -m pipeline settings > docs/settings.md
        """
        sys.stdout.write(page([*(service.settings for service in services), *others]))

    return app


def run(context: typer.Context, action: Callable[[Any], int]) -> None:
    """Read the settings, do it, and end with its exit code; of an error, one line that says what to do next."""
    before = context.parent.command_path if context.parent else PROGRAM
    raise typer.Exit(_code(context.obj, action, context.info_name or "", f"{before} check"))


def _code(service: ServiceCommands, action: Callable[[Any], int], command: str, check: str) -> int:
    logs.configure()
    try:
        settings = service.settings.read(os.environ)
        with RedactedErrors():
            return action(service.workbench(settings))
    except SettingsError as error:
        return _said(str(error), 2)
    except WrongUsage as error:
        return _said(f"{command}: {error}", 2)
    except Transient as error:
        return _said(f"{command}: {error}: run it again; `{check}` says what is away", 1)
    except PipelineError as error:
        return _said(f"{command}: {error}", 1)


def _said(line: str, code: int) -> int:
    sys.stderr.write(f"{line}\n")
    return code


def _remembered(service: ServiceCommands) -> Callable[[typer.Context], None]:
    def remember(context: typer.Context) -> None:
        context.obj = service

    return remember
