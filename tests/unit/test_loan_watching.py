"""The alerts of loan scoring: every query parses, asks for what the service tells, and stands in the book."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any, cast

import promql_parser
import pytest
import yaml

from loan_scoring.champion import Champion
from loan_scoring.registry import Registry
from loan_scoring.watch import Watch
from pipeline.lake.lake import Lake
from pipeline.structured.monitoring.health import Health
from tests.loans.models import promoted

ROOT = Path(__file__).resolve().parents[2]
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((ROOT / "k8s" / "observability" / "loan-alerts.yaml").read_text())["groups"]
    for rule in group["rules"]
]


@pytest.fixture
def health(tmp_path: Path) -> Health:
    """Of a service that runs, and has found no table yet."""
    health = Health("loan-scoring", ["predictions"], 1.0)
    registry = Registry(str(tmp_path))
    promoted(registry)
    champion = Champion(registry, time.monotonic)
    champion.current()
    lake = Lake(f"{tmp_path}/warehouse", f"jdbc:sqlite:{tmp_path}/catalog.db")
    Watch(lake, registry, champion, health).take()
    return health


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: cast(str, rule["alert"]))
def test_an_alert_asks_for_what_the_service_tells(rule: dict[str, Any], health: Health) -> None:
    told = {family.name: set(family.samples[0].labels) if family.samples else set() for family in _families(health)}
    found: list[Any] = []
    promql_parser.walk(promql_parser.parse(rule["expr"]), found.append)
    names = [node.name for node in found if isinstance(node, promql_parser.VectorSelector)]
    assert names
    assert {(name or "").removesuffix("_total") for name in names} <= told.keys()
    for label in re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]):
        assert f"by ({label})" in rule["expr"]


def test_every_alert_is_in_the_book_in_its_order() -> None:
    book = (ROOT / "docs" / "loans.md").read_text()
    assert re.findall(r"^\| `(\w+)` \|", book, re.MULTILINE) == [rule["alert"] for rule in RULES]
    assert {rule["labels"]["severity"] for rule in RULES} <= {"critical", "warning", "info"}


def test_what_was_found_is_on_the_page_and_in_the_status(health: Health) -> None:
    health.alarm({"features have moved": "PSI against training: dti 0.51"})
    assert health.status().alarms == {"features have moved": "PSI against training: dti 0.51"}
    assert b"features have moved" in health.page()
    health.alarm({})
    assert b"features have moved" not in health.page()


def _families(health: Health) -> list[Any]:
    return list(health.registry.collect())
