"""Where the demo of the channel statistics plays: a broker, a registry of schemas and a database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from channel_stats.settings import SCHEMA
from demo.ground import Ground, servers
from tests.kafka import broker
from tests.registry import Registry, registry
from tests.schema import Schema
from tests.servers import mariadb

MEMORY: Final = "768m"


@dataclass(frozen=True)
class ChannelGround(Ground):
    """With a registry, and a schema without tables."""

    registry: Registry
    schema: Schema

    @property
    def environment(self) -> dict[str, str]:
        """The settings that lead the service, its stores and its readers here."""
        return {
            **super().environment,
            **self.schema.environment,
            "SCHEMA_REGISTRY_URL": self.registry.url,
            "DRIVER_MEMORY": MEMORY,
        }


@contextmanager
def channel_ground() -> Iterator[ChannelGround]:
    """All of them, ended with the context. Raises RuntimeError, which says what is missing."""
    with servers(kafka=broker, registry=registry, database=mariadb) as (folder, answering):
        schema = answering.pop("database").another(SCHEMA)
        yield ChannelGround(folder=folder, schema=schema, **answering)
