"""A step that is a command of the feed, with the settings that the feed's own pod has."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any, Final

from airflow.providers.standard.hooks.subprocess import SubprocessHook
from airflow.sdk import BaseOperator

from orchestration.deployments import Deployments
from orchestration.fates import fates
from orchestration.settings import ROOT, DagSettings
from pipeline.runtime.errors import Halted, Transient

WRONG_SETTINGS: Final = 2
NO_PAGE: Final = {"METRICS_PORT": "0"}
"""Airflow may have that port."""


class FeedCommand(BaseOperator):
    """`python -m market.feed COMMAND` by the Python of MARKET_PYTHON. It ends with the task; its lines are the task's.

    Wrong settings fail the task at once; any other end but 0 is tried again as Airflow is told.
    """

    def __init__(self, *, command: str, **options: Any) -> None:
        super().__init__(**options)
        self.command = command
        self._hook: SubprocessHook | None = None

    def execute(self, context: Mapping[str, Any]) -> None:
        """Raises `AirflowFailException`, `Transient`."""
        with fates():
            settings = DagSettings.read(os.environ)
            shared = Deployments(settings.market_namespace).settings()
            self._run([str(settings.python), "-m", "market.feed", self.command], shared)

    def on_kill(self) -> None:
        """The task is to end: so is the command."""
        if self._hook:
            self._hook.send_sigterm()

    def _run(self, command: list[str], shared: Mapping[str, str]) -> None:
        self._hook = SubprocessHook()
        ended = self._hook.run_command(command, env={**_ours(), **shared, **NO_PAGE}, cwd=str(ROOT))
        if ended.exit_code:
            kind = Halted if ended.exit_code == WRONG_SETTINGS else Transient
            raise kind(f"market.feed {self.command} ended with {ended.exit_code}: {reason(ended.output)}")


def _ours() -> dict[str, str]:
    """The environment without Airflow's own, which has its secrets."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "_AIRFLOW"))}


def reason(last: str) -> str:
    """What the last line of a command says: a JSON object, unless its settings are wrong."""
    try:
        return str(json.loads(last)["reason"])
    except (ValueError, KeyError, TypeError):
        return last.strip() or "it says nothing"
