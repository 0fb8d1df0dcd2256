"""How a demo runs on a console: what it says, and how it ends."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable
from typing import Final, NoReturn

import mysql.connector
import typer
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console

from pipeline.runtime.errors import PipelineError
from producers.kinesis import PutError

Say = Callable[[str], None]
PLAIN_WIDTH: Final = 100
"""Columns where the output is no terminal."""
EXPECTED: Final = (RuntimeError, PipelineError, mysql.connector.Error, BotoCoreError, ClientError, PutError, OSError)
"""What goes wrong where a machine lacks something: a line says it, a trace would say no more."""


def act(play: Callable[[Console, Say], bool], expected: tuple[type[Exception], ...] = EXPECTED) -> NoReturn:
    """Play a demo and exit: 0 all was good; 1 not, or something `expected` went wrong (a line says it); 130 Ctrl-C."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else PLAIN_WIDTH)
    began = time.monotonic()

    def say(text: str) -> None:
        console.print(f"{time.monotonic() - began:6.1f} s {text}", markup=False, soft_wrap=True)

    code = 1
    try:
        code = 0 if play(console, say) else 1
    except KeyboardInterrupt:
        console.print("interrupted: job and servers are gone")
        code = 130
    except expected as error:
        console.print(f"demo: {error}", style="red", markup=False, soft_wrap=True)
    raise typer.Exit(code)
