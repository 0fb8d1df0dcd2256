"""Where the demos of the analytics play: a broker, and what else a service needs, gone afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from channel_stats.settings import ChannelSettings
from demo.job import JobFailed
from demo.stage import forget_surroundings
from market.feed.settings import FeedSettings
from market.settings import IndicatorSettings, MongoSettings
from page_views.settings import ViewSettings
from pipeline.settings.analytics import AnalyticsSettings
from tests.kafka import Broker, broker
from tests.servers import ROOT

GROUPS: Final = (AnalyticsSettings, ChannelSettings, ViewSettings, FeedSettings, MongoSettings, IndicatorSettings)
"""Of which nothing that the user has set counts."""

Server = Callable[[Path], AbstractContextManager[Any]]
"""Started by a call with a folder for its data."""


@dataclass(frozen=True)
class Ground:
    """A broker that answers, and a folder that goes with it."""

    kafka: Broker
    folder: Path

    @property
    def client(self) -> dict[str, Any]:
        """The settings of a client of Kafka."""
        return {"bootstrap.servers": self.kafka.bootstrap, "log_level": 2}

    @property
    def environment(self) -> dict[str, str]:
        """The settings that lead a service here."""
        return {
            "KAFKA_BROKERS": self.kafka.bootstrap,
            "CHECKPOINT_DIR": str(self.folder / "checkpoints"),
            "METRICS_PORT": "0",
        }

    def ran(self, *arguments: str, **settings: str) -> str:
        """What `python` with these arguments says, given the settings that lead here and these. Raises `JobFailed`."""
        environment = {**os.environ, **self.environment, **settings}
        done = subprocess.run([sys.executable, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True)
        if done.returncode:
            raise JobFailed(f"{' '.join(arguments)} has ended with {done.returncode}: {done.stderr[-2000:].strip()}")
        return done.stdout


@contextmanager
def ground() -> Iterator[Ground]:
    """A Kafka broker, ended with the context. Raises RuntimeError, which says what is missing."""
    with servers(kafka=broker) as (folder, answering):
        yield Ground(folder=folder, **answering)


@contextmanager
def servers(**wanted: Server) -> Iterator[tuple[Path, dict[str, Any]]]:
    """A folder, and the servers that were started in it side by side, by their names; gone with the context.

    Raises RuntimeError, which says what is missing.
    """
    forget_surroundings()
    for setting in (setting for group in GROUPS for setting in group.model_fields):
        os.environ.pop(setting.upper(), None)
    with TemporaryDirectory(prefix="demo-", ignore_cleanup_errors=True) as made, ExitStack() as running:
        folder = Path(made)
        with ThreadPoolExecutor(len(wanted)) as together:
            starting = {
                name: together.submit(running.enter_context, server(folder / name)) for name, server in wanted.items()
            }
        yield folder, {name: one.result() for name, one in starting.items()}
