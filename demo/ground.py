"""Where the demos of the analytics play: a broker and a database, gone afterwards."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from demo.stage import forget_surroundings
from market.feed.settings import FeedSettings
from market.settings import IndicatorSettings, MongoSettings
from page_views.settings import ViewSettings
from pipeline.settings.analytics import AnalyticsSettings
from tests.kafka import Broker, broker
from tests.mongo import Mongo, database

DATABASE: Final = "market"


@dataclass(frozen=True)
class Ground:
    """Servers that answer, and a folder that goes with them."""

    kafka: Broker
    mongo: Mongo
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
            "MONGO_URI": self.mongo.uri,
            "MONGO_DBNAME": DATABASE,
            "METRICS_PORT": "0",
        }


@contextmanager
def ground() -> Iterator[Ground]:
    """A Kafka broker and a database, ended with the context. Raises RuntimeError, which says what is missing."""
    forget_surroundings()
    for group in (AnalyticsSettings, ViewSettings, FeedSettings, MongoSettings, IndicatorSettings):
        for name in group.model_fields:
            os.environ.pop(name.upper(), None)
    with TemporaryDirectory(prefix="demo-", ignore_cleanup_errors=True) as name, ExitStack() as running:
        folder = Path(name)
        with ThreadPoolExecutor(2) as together:
            kafka = together.submit(running.enter_context, broker(folder / "kafka"))
            mongo = together.submit(running.enter_context, database(folder / "mongo"))
        yield Ground(kafka.result(), mongo.result(), folder)
