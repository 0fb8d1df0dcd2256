"""What is installed for one use of the project is enough for it, of the versions that are tested, and no more."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from scripts.supply_chain import AUDITED

ROOT = Path(__file__).resolve().parent.parent.parent
ANALYTICS = {"confluent-kafka", "pymongo", "pyarrow", "pandas", "numpy", "ada-url", "crawlerdetect"}
LAKE = {"pyiceberg", "pyiceberg-core"}
TRAINS = {"optbinning", "ortools", "scikit-learn", "matplotlib"}
ON_TOP = {"flask", "exchange-calendars", "httpx", "waitress"}
MONEY = ("demo.__main__", "demo.cluster", "stream_consumer", "producers.__main__", "pipeline.__main__")
MARKET = ("stream_analytics", "market.candles", "market.trades")
SCORING = ("stream_analytics", "loan_scoring.service", "loan_scoring.tasks", "loan_scoring.commands.tables", "xgboost")
TRAINING = ("demo.__main__", "demo.loans", "loan_scoring.__main__", "loan_scoring.model.training", "loan_scoring.plots")
TABLES = ("demo.__main__", "page_views.service", "page_views.users", "pipeline.lake.maintenance", "datasketches")
WATCHED = ("market.dashboard.__main__", "market.dashboard.serving")
CHANNELS = ("stream_analytics", "channel_stats.__main__", "channel_stats.stats", "channel_stats.composing")
CHANNELS_SHOWN = ("demo.__main__", "demo.channel_stats", "producers.__main__", "pipeline.__main__", "migrations.yt")
FED = ("demo.__main__", "demo.trading_day", "market.feed.steps", "market.day.steps", "exchange_calendars")
SHOWN = ("demo.__main__", "producers.__main__", "pipeline.__main__")
BLOCK = """
import sys
from importlib.abc import MetaPathFinder
class Missing(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked!r}:
            raise ModuleNotFoundError(name, name=name)
sys.meta_path.insert(0, Missing())
import importlib, importlib.util
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name in {blocked!r} else found(name, package)
for module in {modules!r}:
    importlib.import_module(module)
"""


def pins(name: str) -> dict[str, str]:
    """Package → version."""
    found = re.findall(r"^([a-z0-9._-]+)(?:\[[^]]*\])?==([^\s\\]+)", (ROOT / name).read_text(), re.MULTILINE)
    return dict(found)


@pytest.mark.parametrize(
    "name",
    [
        "requirements.txt",
        "requirements-demo.txt",
        "requirements-analytics.txt",
        "requirements-market.txt",
        "requirements-lake.txt",
        "requirements-loans.txt",
        "requirements-training.txt",
        "requirements-channels.txt",
    ],
)
def test_a_part_of_the_packages_has_the_versions_that_the_tests_have(name: str) -> None:
    everything = pins("requirements-dev.txt")
    assert pins(name)
    assert pins(name).items() <= everything.items()


def test_the_list_which_is_audited_has_all_of_the_money_s_and_of_the_analytics() -> None:
    audited = {package: version for name in AUDITED for package, version in pins(name).items()}
    for name in ("requirements.txt", "requirements-analytics.txt", "requirements-market.txt", "requirements-lake.txt"):
        assert pins(name).items() <= audited.items()


def test_the_trading_day_runs_on_the_versions_that_the_tests_have() -> None:
    """What it imports of the project was tested with these; Airflow brings the rest."""
    airflow, everything = pins("requirements-airflow.txt"), pins("requirements-dev.txt")
    shared = airflow.keys() & everything.keys()
    assert shared >= {"exchange-calendars", "msgspec", "pydantic", "structlog"}
    assert not {name for name in shared if airflow[name] != everything[name]}
    assert "apache-airflow-core" not in everything


def test_the_money_installs_nothing_of_the_analytics() -> None:
    assert pins("requirements-analytics.txt").keys() >= ANALYTICS
    for name in ("requirements.txt", "requirements-demo.txt", "requirements-image.txt"):
        assert not pins(name).keys() & ANALYTICS


def test_the_streams_install_nothing_of_the_lakehouse() -> None:
    assert pins("requirements-lake.txt").keys() >= LAKE
    assert not pins("requirements-analytics.txt").keys() & LAKE


def test_what_scores_loans_installs_nothing_of_what_trains_models() -> None:
    assert pins("requirements-training.txt").keys() >= TRAINS
    assert not pins("requirements-loans.txt").keys() & TRAINS


def test_the_streams_install_nothing_of_feed_and_dashboard() -> None:
    assert pins("requirements-market.txt").keys() >= ON_TOP
    assert not pins("requirements-analytics.txt").keys() & ON_TOP


@pytest.mark.parametrize(
    ("name", "modules"),
    [
        ("requirements-demo.txt", MONEY),
        ("requirements-analytics.txt", MARKET),
        ("requirements-analytics.txt", SHOWN),
        ("requirements-market.txt", WATCHED),
        ("requirements-lake.txt", TABLES),
        ("requirements-loans.txt", SCORING),
        ("requirements-training.txt", TRAINING),
        ("requirements-market.txt", FED),
        ("requirements-channels.txt", CHANNELS),
        ("requirements-channels.txt", CHANNELS_SHOWN),
    ],
)
def test_what_is_installed_for_a_demo_is_all_that_its_programs_import(name: str, modules: tuple[str, ...]) -> None:
    installed = pins(name).keys()
    blocked = {
        module
        for module, packages in packages_distributions().items()
        if not any(re.sub("[-_.]+", "-", package).lower() in installed for package in packages)
    } - {"pip", "setuptools", "wheel", "pkg_resources", "_distutils_hack", "distutils-precedence"}
    blocked -= {path.parent.name for path in ROOT.glob("*/__init__.py")}  # packages that install their `tests` as well
    assert "pytest" in blocked
    program = BLOCK.format(blocked=blocked, modules=modules)
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert not done.returncode, done.stderr[-2000:]
