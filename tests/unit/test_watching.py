"""The dashboard and the alerts: every query parses and finds what the service tells, of which nothing is left out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from pipeline.dstream.monitoring.health import Health
from pipeline.messages.records import Report
from pipeline.runtime.background import GoingOn
from pipeline.runtime.errors import Fatal, Halted, LeaseLost, Transient
from tests.sample_page import busy

ROOT = Path(__file__).resolve().parents[2]
OBSERVABILITY = ROOT / "k8s" / "observability"
DASHBOARD: dict[str, Any] = json.loads((OBSERVABILITY / "dashboard.json").read_text())
RULES: list[dict[str, Any]] = [
    rule for group in yaml.safe_load((OBSERVABILITY / "alerts.yaml").read_text())["groups"] for rule in group["rules"]
]
SCRAPED = {"instance"}
"""Labels that Prometheus itself adds."""

Labels = dict[str, str]


def everything() -> Health:
    """A driver that has something to say by every metric."""
    health = busy()
    metrics = health.metrics
    report = Report(causes={"deadlock": 1}, conflicts={"stock": 1}, chunks={500: 3}, connections=2)
    metrics.batch.expect(["stock"])
    metrics.batch.tell_reports([report])
    metrics.batch.connections.labels("allowed").set(16)
    metrics.polled.ids_left.labels("stocks").set(0.9)
    health.waits.say("2003", "the database")
    metrics.stopped = lambda: {"shardId-000000000000": "trimmed"}
    GoingOn("some work")
    for error in (Transient, Halted, LeaseLost, Fatal):
        health.metrics.batch.failed(error("x"))
    return health


def told(health: Health) -> dict[str, list[Labels]]:
    """Name → the labels of each of its samples, as Prometheus scrapes them."""
    found: dict[str, list[Labels]] = {}
    for family in text_string_to_metric_families(generate_latest(health.metrics.registry).decode()):
        for sample in family.samples:
            found.setdefault(sample.name, []).append(sample.labels)
    return found


SAMPLES = told(everything())


def queries() -> Iterator[tuple[str, str, str]]:
    """(where, query, what its legend or its text says)"""
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"].replace("$__rate_interval", "5m"), target["legendFormat"]
    for rule in RULES:
        yield rule["alert"], rule["expr"], " ".join(rule["annotations"].values())


def nodes(query: str) -> list[Any]:
    """Every part of a query. ValueError where it is no PromQL."""
    found: list[Any] = []
    promql_parser.walk(promql_parser.parse(query), lambda node: found.append(node))
    return found


def selectors(query: str) -> list[promql_parser.VectorSelector]:
    return [node for node in nodes(query) if isinstance(node, promql_parser.VectorSelector)]


def selected(selector: promql_parser.VectorSelector) -> list[Labels]:
    """The samples that a selector finds."""
    return [
        labels for labels in SAMPLES[selector.name or ""] if all(agrees(m, labels) for m in selector.matchers.matchers)
    ]


def agrees(matcher: promql_parser.Matcher, labels: Labels) -> bool:
    value = labels.get(matcher.name, "")
    regular = matcher.op in (promql_parser.MatchOp.Re, promql_parser.MatchOp.NotRe)
    agreed = bool(re.fullmatch(matcher.value, value)) if regular else value == matcher.value
    return agreed == (matcher.op in (promql_parser.MatchOp.Re, promql_parser.MatchOp.Equal))


@pytest.mark.parametrize(("where", "query", "text"), list(queries()))
def test_a_query_finds_what_the_service_tells(where: str, query: str, text: str) -> None:
    parts = selectors(query)
    assert parts, "it asks for nothing"
    labels = set(SCRAPED)
    for selector in parts:
        assert selector.name in SAMPLES, f"the service tells no {selector.name}"
        assert selected(selector), f"{selector.prettify()} finds none of its samples"
        labels |= {name for sample in SAMPLES[selector.name] for name in sample}
    for node in nodes(query):
        if isinstance(node, promql_parser.AggregateExpr) and node.modifier:
            assert set(node.modifier.labels) <= labels
    named = set(re.findall(r"\{\{ ?(?:\$labels\.)?([a-z]+)", text)) - {"value"}
    assert named <= labels, f"{where} speaks of labels that its samples do not have"


def test_what_the_labels_of_a_result_are_named_after_is_kept_by_its_query() -> None:
    """An alert that speaks of a label has to group by it."""
    for rule in RULES:
        for label in re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]):
            assert f"by ({label})" in rule["expr"], rule["alert"]


def test_no_metric_is_left_out_of_the_dashboard() -> None:
    shown = {selector.name for where, query, _ in queries() if where in titles() for selector in selectors(query)}
    names = {family.name for family in everything().metrics.registry.collect()}
    unshown = {name for name in names if not any((one or "").startswith(name) for one in shown)}
    assert names and all(name.startswith("bank_stream_") for name in names)
    assert not unshown


def titles() -> list[str]:
    return [panel["title"] for panel in DASHBOARD["panels"]]


def test_panels_have_places_of_their_own() -> None:
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in DASHBOARD["panels"])
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells)) and max(x for x, _ in cells) == 23
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(set(titles())) == len(titles())


def test_an_alert_has_a_name_a_severity_a_text_and_its_place_in_the_operators_book() -> None:
    book = (ROOT / "docs" / "operations.md").read_text()
    section = book[book.index("\n## Alerts\n") :]
    told_of = re.findall(r"^\| `(\w+)` \|", section[: section.index("\n## ", 1)], re.MULTILINE)
    assert told_of == [rule["alert"] for rule in RULES]
    assert len(set(told_of)) == len(told_of)
    assert {rule["labels"]["severity"] for rule in RULES} == {"critical", "warning", "info"}
    assert all(rule["annotations"]["summary"] for rule in RULES)


def test_a_new_installation_has_a_day_and_more_for_its_first_audit() -> None:
    """Else it alarms from the first hour on, and says that a day and a half have passed."""
    (rule,) = [rule for rule in RULES if rule["alert"] == "AuditMissing"]
    expected = (
        r"max\(bank_stream_audit_age_seconds\) > (\d+) "
        r"or \(absent_over_time\(bank_stream_audit_age_seconds\[(\d+)h\]\) "
        r"and on \(\) count_over_time\(\(max\(bank_stream_leading\) == 1\)\[(\d+)h:(\d+)m\]\) > (\d+)\)"
    )
    found = re.fullmatch(expected, rule["expr"])
    assert found, "what it waits for is no longer what this test knows"
    age, absent, window, step, samples = map(int, found.groups())
    assert age == absent * 3600 == window * 3600 == 36 * 3600
    assert 24 * 60 + 60 < samples * step < window * 60, "led for more than the day that the audit comes round in"
