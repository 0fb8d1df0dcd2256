"""The alerts of the analytics: every query parses, finds what every service tells, and stands in the book."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, cast

import promql_parser
import pytest
import yaml
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from page_views.loader import Loader
from page_views.watch import Watch
from pipeline.lake.lake import Lake
from pipeline.runtime.background import GoingOn
from pipeline.runtime.errors import Fatal, Halted, TaskDied
from pipeline.structured.monitoring.health import Health
from pipeline.structured.monitoring.status import Lag

ROOT = Path(__file__).resolve().parents[2]
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((ROOT / "k8s" / "observability" / "analytics-alerts.yaml").read_text())["groups"]
    for rule in group["rules"]
]
SERVICES = ("candles", "trades", "page-views", "loan-scoring", "channel-stats")
SCRAPED = {"job", "instance"}
Labels = dict[str, str]


def told(service: str) -> list[Labels]:
    """The samples of a service that has something to say by every metric; `__name__` is a label like others."""
    health = Health(service, ["flow"], 1.0)
    health.waits.say("away", "the Kafka brokers")
    health.lags([Lag("topic", 0, 5, 7.0)])
    health.metrics.letters.labels("late").inc()
    for error in (TaskDied("x"), Halted("x"), Fatal("x")):
        health.failed("flow", error)
    GoingOn("some work")
    if service == "page-views":
        lake = Lake("file:///nowhere", "jdbc:mysql://127.0.0.1:1/lake")
        Watch(Loader(lake, {"bootstrap.servers": "127.0.0.1:1"}, "s", 1), health).take()
    families = text_string_to_metric_families(generate_latest(health.registry).decode())
    return [{"__name__": sample.name, **sample.labels} for family in families for sample in family.samples]


SAMPLES = {service: told(service) for service in SERVICES}


def parts(query: str) -> list[Any]:
    found: list[Any] = []
    promql_parser.walk(promql_parser.parse(query), found.append)
    return found


def found(selector: promql_parser.VectorSelector, service: str) -> list[Labels]:
    """The samples that a selector finds."""
    wanted = [("__name__", selector.name)] if selector.name else []
    for one in selector.matchers.matchers:
        wanted.append((one.name, f"(?!{one.value}$).*" if one.op == promql_parser.MatchOp.NotEqual else one.value))
    return [
        sample
        for sample in SAMPLES[service]
        if all(re.fullmatch(value, sample.get(name, "")) for name, value in wanted)
    ]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: cast(str, rule["alert"]))
def test_an_alert_finds_what_each_service_tells(rule: dict[str, Any]) -> None:
    selectors = [part for part in parts(rule["expr"]) if isinstance(part, promql_parser.VectorSelector)]
    sums = [part for part in parts(rule["expr"]) if isinstance(part, promql_parser.AggregateExpr)]
    groups = [set(part.modifier.labels) for part in sums if part.modifier]
    services = ["page-views"] if "page_views_tables" in rule["expr"] else SERVICES
    assert selectors and groups
    for service in services:
        samples = [found(selector, service) for selector in selectors]
        assert all(samples), service
        labels = SCRAPED.union(*(sample for some in samples for sample in some))
        assert all(group <= labels for group in groups)
    for label in re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]):
        assert label in groups[0]


def test_every_alert_is_in_the_book_in_its_order() -> None:
    book = (ROOT / "docs" / "operations.md").read_text()
    section = book[book.index("\n## The analytics\n") :]
    names = re.findall(r"^\| `(\w+)` \|", section[: section.index("\n## ", 1)], re.MULTILINE)
    assert names == [rule["alert"] for rule in RULES]
    assert {rule["labels"]["severity"] for rule in RULES} == {"critical", "warning", "info"}
