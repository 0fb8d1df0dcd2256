"""The operators' command line of every service: `python -m pipeline --help`."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Final

import typer

from pipeline.console.command_line import PROGRAM, command_line

SERVICES: Final = (
    "bank_stream.operations",
    "channel_stats.operations",
    "loan_scoring.operations",
    "market.operations",
    "page_views.operations",
)
"""Modules whose `COMMANDS` say what each service gives to the command line, and, where they have some, whose `SETTINGS`
are those of programs without commands. The engine imports none of them by name."""


def app() -> typer.Typer:
    """The commands of all services that are here: an image holds those alone that run in it."""
    here = [import_module(module) for module in SERVICES if find_spec(module.partition(".")[0])]
    others = [settings for module in here for settings in getattr(module, "SETTINGS", ())]
    return command_line([commands for module in here for commands in module.COMMANDS], others)


if __name__ == "__main__":
    app()(prog_name=PROGRAM)
