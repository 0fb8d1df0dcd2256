"""How a command of ours is run: its settings are read, and an error ends it with one line that says what to do next."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import NoReturn, TypeVar

import typer

from loan_scoring.scorecard import Unfit
from loan_scoring.settings import ModelSettings, WatchSettings
from pipeline.console.output import WrongUsage
from pipeline.runtime import logs
from pipeline.runtime.errors import PipelineError, Transient
from pipeline.settings.errors import SettingsError
from pipeline.settings.group import SettingsGroup
from pipeline.settings.lake import LakeSettings

S = TypeVar("S", bound=SettingsGroup)


class RegistrySettings(WatchSettings, ModelSettings):
    """What commands need that train and promote."""


class TableSettings(WatchSettings, ModelSettings, LakeSettings):
    """What commands need that look into the table."""


def run(settings: type[S], action: Callable[[S], int]) -> NoReturn:
    """Do it, and end with its exit code: 1 where something is wrong, 2 for wrong settings or usage."""
    logs.configure()
    try:
        code = action(settings.read(os.environ))
    except (SettingsError, WrongUsage) as error:
        code = _said(str(error), 2)
    except Transient as error:
        code = _said(f"{error}: run it again", 1)
    except (PipelineError, Unfit) as error:
        code = _said(str(error), 1)
    raise typer.Exit(code)


def _said(line: str, code: int) -> int:
    sys.stderr.write(f"{line}\n")
    return code
