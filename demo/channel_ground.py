"""Where the demo of the channel statistics plays: a broker, a registry of schemas and a database, gone afterwards."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from channel_stats.settings import SCHEMA, ChannelSettings
from demo.stage import forget_surroundings
from tests.kafka import Broker, broker
from tests.registry import Registry, registry
from tests.schema import Schema
from tests.servers import mariadb

MEMORY: Final = "768m"


@dataclass(frozen=True)
class ChannelGround:
    """Servers that answer, and a folder that goes with them."""

    kafka: Broker
    registry: Registry
    schema: Schema
    folder: Path

    @property
    def client(self) -> dict[str, Any]:
        """The settings of a client of Kafka."""
        return {"bootstrap.servers": self.kafka.bootstrap, "log_level": 2}

    @property
    def environment(self) -> dict[str, str]:
        """The settings that lead the service, its stores and its readers here."""
        return {
            **self.schema.environment,
            "KAFKA_BROKERS": self.kafka.bootstrap,
            "SCHEMA_REGISTRY_URL": self.registry.url,
            "CHECKPOINT_DIR": str(self.folder / "checkpoints"),
            "DRIVER_MEMORY": MEMORY,
            "METRICS_PORT": "0",
        }


@contextmanager
def channel_ground() -> Iterator[ChannelGround]:
    """All of them, ended with the context. Raises RuntimeError, which says what is missing."""
    forget_surroundings()
    for name in ChannelSettings.model_fields:
        os.environ.pop(name.upper(), None)
    with TemporaryDirectory(prefix="demo-", ignore_cleanup_errors=True) as name, ExitStack() as running:
        folder = Path(name)
        with ThreadPoolExecutor(3) as together:
            kafka = together.submit(running.enter_context, broker(folder / "kafka"))
            schemas = together.submit(running.enter_context, registry(folder / "registry"))
            database = together.submit(running.enter_context, mariadb(folder / "mariadb"))
        yield ChannelGround(kafka.result(), schemas.result(), database.result().another(SCHEMA), folder)
