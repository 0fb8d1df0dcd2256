"""The settings of the day, and what is written of them."""

from __future__ import annotations

import re

import pytest

from orchestration.going_on import GO_ON
from orchestration.settings import ROOT, DagSettings
from pipeline.settings.errors import SettingsError

PAGE = (ROOT / "docs" / "market.md").read_text()


def test_every_setting_stands_on_the_page_with_its_default() -> None:
    told = dict(re.findall(r"^\| ([A-Z_]+) \| .* \| (\S*) ?\|$", PAGE, re.MULTILINE))
    assert told == {str(one.alias): str(one.default) for one in DagSettings.model_fields.values()}


def test_every_step_stands_on_the_page() -> None:
    assert re.findall(r"^\| `(\w+)` \| .* \| .*\|$", PAGE, re.MULTILINE) == list(GO_ON)


def test_wrong_settings_are_named() -> None:
    with pytest.raises(SettingsError, match=r"MARKET_NAMESPACE: .*\n.*START_BEFORE: "):
        DagSettings.read({"START_BEFORE": "-1", "MARKET_NAMESPACE": "No Name"})


def test_the_python_of_the_commands_is_the_projects_unless_it_is_said() -> None:
    assert DagSettings.read({}).python == ROOT / ".venv/bin/python"
    assert str(DagSettings.read({"MARKET_PYTHON": "/opt/market/bin/python"}).python) == "/opt/market/bin/python"
