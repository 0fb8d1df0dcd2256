"""The parts of what runs without Spark, put together from settings."""

from __future__ import annotations

from channel_stats.latest import PERIODS
from channel_stats.letters import Letters
from channel_stats.reading import Reader
from channel_stats.registry import Registry
from channel_stats.settings import ReadSettings, RegistrySettings, StoreSettings
from channel_stats.store import Store
from channel_stats.tables import Tables
from pipeline.kafka.client import client_options
from pipeline.kafka.topics import Topics
from pipeline.mysql.database import Database


def registry_of(settings: RegistrySettings) -> Registry:
    """The registry that settings lead to."""
    secret = settings.schema_registry_password
    password = secret.get_secret_value() if secret else None
    return Registry(settings.schema_registry_url, settings.schema_registry_user, password, settings.schema_registry_ca)


def reader_of(settings: ReadSettings, topic: str) -> Reader:
    """What reads the Avro of a topic."""
    client = client_options(settings)
    return Reader(client, Topics(client), registry_of(settings), PERIODS[topic])


def store_of(settings: StoreSettings, table: str, source: str) -> Store:
    """What stores the Avro of the topic `source` in the table."""
    reader = reader_of(settings, source)
    letters = Letters(reader.client, reader.topics, source)
    return Store(reader, letters, Tables(Database.at(settings.mysql), PERIODS[table]))
