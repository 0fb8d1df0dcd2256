"""Who may import whom: the engine knows no bank, rules know no database, domains know nothing of one another."""

from __future__ import annotations

import ast
import sys
import tomllib
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
DOMAINS = {"transactions", "card_transactions", "loans", "stocks"}
ANALYTICS = {"channel_stats", "loan_scoring", "market", "page_views"}
SERVICES = {"bank_stream", "stream_consumer"}
AROUND = {"migrations", "producers", "benchmarks", "tests", "demo", "orchestration"}
OURS = {"pipeline", "bank", *AROUND, *SERVICES, *DOMAINS, *ANALYTICS}
PACKAGES = ["pipeline", "bank", "bank_stream", *sorted(DOMAINS | ANALYTICS)]
SERVICE = ["stream_consumer.py", *(f"{package}/**/*.py" for package in PACKAGES)]

ROOMS = {
    "runtime": set(),
    "messages": {"runtime"},
    "aws": {"runtime"},
    "dynamodb": {"aws", "runtime"},
    "mysql": {"aws", "runtime"},
    "settings": {"aws", "mysql", "runtime"},
    "console": {"runtime", "settings"},
    "dead_letters": {"aws", "dynamodb", "messages", "runtime"},
    "leases": {"aws", "dynamodb", "messages", "runtime"},
    "kinesis": {"aws", "leases", "messages", "runtime"},
    "applying": {"dead_letters", "messages", "mysql", "runtime"},
    "kafka": {"runtime", "settings"},
    "spark": {"runtime"},
    "observability": {"runtime"},
    "dstream": {
        "applying",
        "dead_letters",
        "kinesis",
        "leases",
        "messages",
        "mysql",
        "observability",
        "runtime",
        "settings",
        "spark",
    },
    "lake": {"console", "mysql", "runtime", "settings", "spark", "structured"},
    "structured": {"console", "kafka", "observability", "runtime", "settings", "spark"},
    "operations": {
        "applying",
        "aws",
        "console",
        "dead_letters",
        "dynamodb",
        "kinesis",
        "leases",
        "messages",
        "mysql",
        "runtime",
        "settings",
        "spark",
    },
    "__main__": {"console"},
}
"""Room of the engine → the rooms that it imports: all of them, so that an entry that holds no more shows."""

AWS = {
    "pipeline/aws.py",
    "pipeline/dynamodb.py",
    "pipeline/mysql/credentials.py",
    "pipeline/kinesis/reader.py",
    "pipeline/kinesis/shards.py",
    "pipeline/leases/table.py",
    "pipeline/dead_letters/table.py",
    "pipeline/lake/errors.py",
    "pipeline/operations/remote.py",
    "card_transactions/alerts.py",
}
ONLY = {
    "pyspark": {"pipeline/dstream/stream.py", "pipeline/spark/context.py"}
    | {f"pipeline/structured/{name}.py" for name in ("batch", "query", "service", "session", "sink")}
    | {f"pipeline/structured/{name}.py" for name in ("source", "tasks", "warming")}
    | {f"pipeline/lake/{name}.py" for name in ("lake", "maintenance", "merge")}
    | {f"loan_scoring/{name}.py" for name in ("compiled", "hive_view", "predictions", "service")}
    | {"market/trades.py", "page_views/service.py"}
    | {"channel_stats/stats.py"},
    "py4j": {"pipeline/dstream/stream.py", "pipeline/spark/context.py", "pipeline/lake/merge.py"}
    | {f"pipeline/structured/{name}.py" for name in ("query", "run", "session", "warming")},
    "confluent_kafka": {f"pipeline/kafka/{name}.py" for name in ("arrivals", "errors", "lane", "reading")}
    | {f"pipeline/kafka/{name}.py" for name in ("letter_box", "sending", "topics")},
    "pymongo": {f"market/{name}.py" for name in ("mongo", "candle_rows", "kept")},
    "pyiceberg": {f"pipeline/lake/{name}.py" for name in ("append", "description", "errors", "lake", "table")}
    | {f"page_views/{name}.py" for name in ("dimension", "loader", "users")}
    | {f"loan_scoring/{name}.py" for name in ("commands/tables", "hive_view", "looks", "outcomes")},
    "xgboost": {"loan_scoring/challenger.py", "loan_scoring/model/training.py"},
    "optbinning": {"loan_scoring/model/training.py"},
    "scipy": {"loan_scoring/model/training.py"},
    "sklearn": {"loan_scoring/model/evaluation.py"},
    "matplotlib": {"loan_scoring/plots.py"},
    "datasketches": {"page_views/sums.py", "page_views/users.py"},
    "ada_url": {"page_views/address.py"},
    "crawlerdetect": {"page_views/robots.py"},
    "crawleruseragents": {"page_views/robots.py"},
    "fastavro": {"channel_stats/wire.py"},
    "httpx": {"channel_stats/registry.py", "market/feed/twelve_data.py"},
    "exchange_calendars": {"market/calendar.py"},
    "flask": {"market/dashboard/web.py"},
    "waitress": {"market/dashboard/serving.py"},
    "boto3": {"pipeline/aws.py"},
    "botocore": AWS,
    "mysql": {f"pipeline/mysql/{name}.py" for name in ("database", "errors", "session")}
    | {"migrations/__init__.py", "migrations/runner.py"},
    "sqlalchemy": {
        "pipeline/lake/errors.py",
        "pipeline/mysql/database.py",
        "migrations/__main__.py",
        "migrations/env.py",
        "migrations/history.py",
        "migrations/preconditions.py",
        "migrations/runner.py",
        "migrations/steps.py",
        "migrations/yt/__init__.py",
        "migrations/yt/versions/r0001_tables.py",
    },
}
"""Third-party package → the files that import it (tests, demo and benchmarks aside)."""


def files(*patterns: str) -> list[Path]:
    return sorted(path for pattern in patterns for path in ROOT.glob(pattern))


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, also within functions, with a full name."""
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            within = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join((*within, *([node.module] if node.module else [])))
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def packages(path: Path) -> set[str]:
    return {name.partition(".")[0] for name in imports(path)}


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_the_engine_imports_nothing_of_the_bank() -> None:
    wrong = {name(path): packages(path) & (OURS - {"pipeline"}) for path in files("pipeline/**/*.py")}
    assert not {path: found for path, found in wrong.items() if found}


def test_the_bank_imports_no_domain() -> None:
    wrong = {name(path): packages(path) & (OURS - {"bank", "pipeline"}) for path in files("bank/**/*.py")}
    assert not {path: found for path, found in wrong.items() if found}


@pytest.mark.parametrize("domain", sorted(DOMAINS))
def test_rules_import_their_messages_the_bank_and_the_standard_library_only(domain: str) -> None:
    allowed = {"bank", domain, "msgspec", *sys.stdlib_module_names}
    wrong = {name(path): packages(path) - allowed for path in files(f"{domain}/rules.py")}
    assert not {path: found for path, found in wrong.items() if found}


def test_the_rules_of_the_market_know_no_stream_no_database_and_no_settings() -> None:
    rules = ("candle", "documents", "indicators", "symbol_state", "symbols")
    allowed = ("market", "pipeline.messages", "pipeline.runtime", "msgspec", *sys.stdlib_module_names)
    found = {(rule, module) for rule in rules for module in imports(ROOT / f"market/{rule}.py")}
    assert {(rule, module) for rule, module in found if not module.startswith(allowed)} == set()
    assert {module.split(".")[1] for _, module in found if module.startswith("market.")} <= set(rules)


def test_the_rules_of_page_views_know_no_stream_no_store_and_no_settings() -> None:
    rules = ("address", "keys", "robots", "sessions", "view")
    libraries = ("ada_url", "crawlerdetect", "crawleruseragents", "msgspec", *sys.stdlib_module_names)
    allowed = ("page_views", "pipeline.runtime.errors", *libraries)
    found = {(rule, module) for rule in rules for module in imports(ROOT / f"page_views/{rule}.py")}
    assert {(rule, module) for rule, module in found if not module.startswith(allowed)} == set()
    assert {module.split(".")[1] for _, module in found if module.startswith("page_views.")} <= set(rules)


def test_the_rules_of_loan_scoring_know_no_stream_no_store_and_no_settings() -> None:
    rules = ("application", "features", "figures", "scorecard")
    allowed = ("loan_scoring", "pipeline.messages", "pipeline.runtime.errors", "msgspec", *sys.stdlib_module_names)
    found = {(rule, module) for rule in rules for module in imports(ROOT / f"loan_scoring/{rule}.py")}
    assert {(rule, module) for rule, module in found if not module.startswith(allowed)} == set()
    assert {module.split(".")[1] for _, module in found if module.startswith("loan_scoring.")} <= set(rules)


def test_the_rules_of_the_channel_statistics_know_no_stream_no_database_and_no_settings() -> None:
    rules = ("harvest", "latest", "schemas", "wire")
    allowed = ("channel_stats", "pipeline.messages", "pipeline.runtime.errors", "fastavro", "msgspec")
    found = {(rule, module) for rule in rules for path in files(f"channel_stats/{rule}*") for module in _within(path)}
    assert {(r, module) for r, module in found if not module.startswith((*allowed, *sys.stdlib_module_names))} == set()
    assert {module.split(".")[1] for _, module in found if module.startswith("channel_stats.")} <= set(rules)


def _within(path: Path) -> Iterator[str]:
    for one in [path] if path.is_file() else path.glob("*.py"):
        yield from imports(one)


@pytest.mark.parametrize("domain", sorted(DOMAINS | ANALYTICS))
def test_a_domain_imports_no_other_domain(domain: str) -> None:
    allowed = {"pipeline", domain} | ({"bank"} if domain in DOMAINS else set())
    wrong = {name(path): packages(path) & (OURS - allowed) for path in files(f"{domain}/**/*.py")}
    assert not {path: found for path, found in wrong.items() if found}


def test_the_trading_day_knows_calendar_clock_and_settings_and_nobody_knows_it() -> None:
    """Its environment is Airflow's, which has no broker's, no database's and no engine's library."""
    ours = {module for path in files("orchestration/**/*.py") for module in imports(path)}
    rooms = {".".join(module.split(".")[:2]) for module in ours if module.split(".")[0] in OURS - {"orchestration"}}
    assert rooms == {"market.calendar", "market.clock", "market.settings", "pipeline.runtime", "pipeline.settings"}
    others = files("*.py", *(f"{package}/**/*.py" for package in OURS - {"orchestration"}))
    assert not [name(path) for path in others if "orchestration" in packages(path)]


@pytest.mark.parametrize("package", sorted(ONLY))
def test_a_library_is_imported_only_where_its_knowledge_belongs(package: str) -> None:
    using = {name(path) for path in files(*SERVICE, "migrations/**/*.py") if package in packages(path)}
    assert using == ONLY[package]


def room(module: str) -> str:
    return module.split(".")[1] if module.count(".") else ""


def test_the_rooms_of_the_engine_import_each_other_in_one_direction() -> None:
    found: dict[str, set[str]] = {}
    for path in files("pipeline/**/*.py"):
        own = path.relative_to(ROOT / "pipeline").parts[0].removesuffix(".py")
        others = {room(module) for module in imports(path) if module.startswith("pipeline.")}
        found.setdefault(own, set()).update(others - {own, ""})
    found.pop("__init__")
    assert found == ROOMS
    static_order(ROOMS)


def static_order(graph: dict[str, set[str]]) -> list[str]:
    """Raises `CycleError`."""
    return list(TopologicalSorter(graph).static_order())


def test_a_cycle_of_rooms_would_be_noticed() -> None:
    with pytest.raises(CycleError):
        static_order({"a": {"b"}, "b": {"a"}})


def test_every_package_of_this_repository_is_known_here_and_its_types_are_checked() -> None:
    """A new domain that nobody told of would be bound by nothing."""
    there = {path.parent.name for path in files("*/__init__.py")}
    known = (OURS - {"stream_consumer"}) | {"scripts"}
    assert there == known
    checked = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]["packages"]
    assert set(checked) == known


def test_every_folder_of_modules_that_mypy_checks_is_a_package() -> None:
    folders = {path.parent for path in files(*SERVICE, "tests/**/*.py")} - {ROOT}
    assert not [name(folder) for folder in folders if not (folder / "__init__.py").exists()]
