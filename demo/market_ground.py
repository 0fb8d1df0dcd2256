"""Where the demos of candles play: a broker, and a database for their documents."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from demo.ground import Ground, servers
from tests.kafka import broker
from tests.mongo import Mongo, database

DATABASE: Final = "market"


@dataclass(frozen=True)
class MarketGround(Ground):
    """With a database that speaks MongoDB's protocol."""

    mongo: Mongo

    @property
    def environment(self) -> dict[str, str]:
        """The settings that lead services here."""
        return {**super().environment, "MONGO_URI": self.mongo.uri, "MONGO_DBNAME": DATABASE}


@contextmanager
def market_ground() -> Iterator[MarketGround]:
    """Both, ended with the context. Raises RuntimeError, which says what is missing."""
    with servers(kafka=broker, mongo=database) as (folder, answering):
        yield MarketGround(folder=folder, **answering)
