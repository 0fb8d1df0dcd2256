"""Schemas with the tables of the channel statistics."""

from __future__ import annotations

import itertools
import os

import migrations
from channel_stats.latest import Period
from channel_stats.tables import Tables
from migrations.yt import YT
from pipeline.mysql.database import Database
from tests.schema import Schema

_numbers = itertools.count()


def empty(server: Schema) -> Schema:
    """A schema of a test's own, without tables."""
    return server.another(f"yt_{os.getpid()}_{next(_numbers)}")


def migrated(server: Schema) -> Schema:
    """One with all tables."""
    schema = empty(server)
    migrations.upgrade(schema.url, YT)
    return schema


def tables(schema: Schema, period: Period) -> Tables:
    """As a service has them."""
    return Tables(Database(schema.host, schema.port, schema.user, schema.password, schema.name), period)
