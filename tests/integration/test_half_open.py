"""A connection that is lost to us and alive for the server keeps its locks: whoever works next has to end it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from pipeline.mysql.database import Connections, Database, Lane
from pipeline.mysql.errors import ConnectionLost
from tests.faults.proxy import Cut, Proxy, cutting, is_commit
from tests.schema import Schema
from tests.servers import HERE

LOCK = "SELECT id FROM users WHERE id = 1 FOR UPDATE"
AT_ONCE = 4.0
"""Seconds; a lock is waited for for 5, and a connection is ended by the server after 30."""


class Network:
    """Loses every COMMIT, and a KILL where `also`, and leaves the connection half-open."""

    also = b""

    def choose(self, packet: bytes) -> Cut:
        lost = is_commit(packet) or (self.also and self.also in packet)
        return Cut.HALF_OPEN if lost else Cut.NONE


@pytest.fixture
def network() -> Network:
    return Network()


@pytest.fixture
def proxy(database: Schema, network: Network) -> Iterator[Proxy]:
    with cutting(database.port, network.choose) as proxy:
        yield proxy


@pytest.fixture
def pool(database: Schema, proxy: Proxy) -> Iterator[Connections]:
    database.execute("INSERT INTO users (id, username, email, first_name, last_name) VALUES (1, '', '', '', '')")
    database.grow_old()
    where = Database(HERE, proxy.port, database.user, database.password, database.name)
    with closing(Connections(where, 2)) as pool:
        yield pool


def test_its_locks_end_where_the_lane_goes_on_with_a_connection_that_another_gave_back(pool: Connections) -> None:
    lane, other = pool.lane(), pool.lane()
    with closing(lane), closing(other):
        _work(other)
        _work(lane)
        other.close()
        with pytest.raises(ConnectionLost):
            _work(lane, commit=True)
        assert _seconds_to_work(lane) < AT_ONCE


def test_its_locks_end_where_the_connection_that_was_to_end_it_is_lost_in_turn(
    pool: Connections, network: Network
) -> None:
    with closing(pool.lane()) as lane:
        with pytest.raises(ConnectionLost):
            _work(lane, commit=True)
        network.also = b"KILL"
        with pytest.raises(ConnectionLost):
            _work(lane)
        network.also = b""
        assert _seconds_to_work(lane) < AT_ONCE


def _seconds_to_work(lane: Lane) -> float:
    began = time.monotonic()
    _work(lane)
    return time.monotonic() - began


def _work(lane: Lane, *, commit: bool = False) -> None:
    with lane.transaction() as transaction:
        transaction.query(LOCK)
        if commit:
            transaction.commit()
