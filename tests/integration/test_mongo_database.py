"""What the services need of MongoDB, the database of tests and demo does as well; MONGO_TEST_URI asks another."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pymongo import ReplaceOne
from pymongo.collection import Collection
from pymongo.errors import AutoReconnect, DuplicateKeyError, OperationFailure

from tests.mongo import OUT_OF_DISK, Client, database

FIRST = datetime(2023, 8, 25, 13, 30, tzinfo=UTC)


@pytest.fixture
def collection(mongo: str) -> Iterator[Collection[dict[str, Any]]]:
    name = f"test_{os.getpid()}"
    with Client(mongo, tz_aware=True) as client:
        yield client[name]["things"]
        client.drop_database(name)


def test_bulk_upserts_by_id_are_the_same_once_and_twice(collection: Collection[dict[str, Any]]) -> None:
    rows = [{"_id": FIRST + timedelta(minutes=n), "close": 178.1 + n / 3, "volume": 2**40 + n} for n in range(500)]
    for _ in range(2):
        collection.bulk_write([ReplaceOne({"_id": row["_id"]}, row, upsert=True) for row in rows], ordered=False)
    assert list(collection.find().sort("_id")) == rows
    assert list(collection.find().sort("_id", -1).limit(2)) == rows[:-3:-1]


def test_of_many_that_replace_one_version_one_succeeds(collection: Collection[dict[str, Any]]) -> None:
    collection.insert_one({"_id": "aapl", "version": 0, "by": None})

    def replaced(number: int) -> int:
        new = {"_id": "aapl", "version": 1, "by": number}
        return collection.replace_one({"_id": "aapl", "version": 0}, new).matched_count

    with ThreadPoolExecutor(8) as together:
        assert sum(together.map(replaced, range(40))) == 1


def test_an_id_that_is_there_is_not_inserted_again(collection: Collection[dict[str, Any]]) -> None:
    collection.insert_one({"_id": 1})
    with pytest.raises(DuplicateKeyError):
        collection.insert_one({"_id": 1})


def test_data_is_there_after_a_stop_and_a_start(tmp_path: Path) -> None:
    with database(tmp_path, durable=True) as own, own.client() as client:
        client.db.things.insert_one({"_id": 1})
        own.stop()
        own.start()
        assert client.db.things.count_documents({}) == 1


def test_a_database_that_was_killed_is_away_until_it_is_started(tmp_path: Path) -> None:
    with database(tmp_path) as own, own.client() as client:
        client.db.things.insert_one({"_id": 1})
        own.kill9()
        with pytest.raises(AutoReconnect):
            client.db.things.insert_one({"_id": 2})
        own.start()
        assert client.db.things.count_documents({}) == 0


def test_a_full_database_refuses_writes_until_there_is_room(tmp_path: Path) -> None:
    with database(tmp_path) as own, own.client() as client:
        own.refuse_writes()
        with pytest.raises(OperationFailure) as refused:
            client.db.things.insert_one({"_id": 1})
        assert refused.value.code == OUT_OF_DISK[0]
        assert client.db.things.count_documents({}) == 0
        own.take_writes()
        client.db.things.insert_one({"_id": 1})
