"""Faults of the database, and of the network before it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import partial
from random import Random

import mysql.connector

from producers.traffic import Message
from tests.faults.fault import Fault, listed
from tests.faults.proxy import Cut, is_commit
from tests.faults.scene import CLERK, Scene
from tests.servers import DatabaseServer

HOT = (1, 2)
"""The accounts that everybody pays to."""
PAYERS = 60
WAYS = (Cut.BEFORE, Cut.HALF_OPEN, Cut.ANSWER)
RETRIED = (("retries_total", "cause", "other"),)
CONFLICTS = (("retries_total", "cause", "deadlock"), ("retries_total", "cause", "lock_wait"))
HALTED = (("failures_total", "fate", "Halted"),)
MEGABYTE = 1024 * 1024
LANES = 20
DEADLOCK, LOCK_WAIT, READ_ONLY, TOO_MANY, NO_COLUMN, FULL = 1213, 1205, 1290, 1040, 1054, 1114


def restarted(scene: Scene, name: str) -> None:
    for _ in range(3 if scene.long else 1):
        scene.working()
        scene.database.stop()
        scene.database.start()
        scene.hits[name] += 1


def killed(scene: Scene, name: str) -> None:
    for _ in range(3 if scene.long else 1):
        scene.working()
        scene.database.kill9()
        scene.database.start()
        scene.hits[name] += 1


def away(scene: Scene, name: str) -> None:
    """Longer than a batch tries: 30 s."""
    scene.working()
    scene.database.stop()
    _pass(45 if scene.long else 3)
    scene.database.start()
    scene.hits[name] += 1


def read_only(scene: Scene, name: str) -> None:
    scene.working()
    scene.database.execute("SET GLOBAL read_only = 1")
    try:
        _wait_for_errors(scene, name, READ_ONLY)
        _pass(40 if scene.long else 0)
    finally:
        scene.database.execute("SET GLOBAL read_only = 0")


def out_of_connections(scene: Scene, name: str) -> None:
    scene.working()
    with ExitStack() as held:
        administrator = held.enter_context(closing(scene.database.connect()))  # the looks have the one that is left
        cursor = held.enter_context(closing(administrator.cursor()))
        cursor.execute("SET @before = @@max_connections")
        cursor.execute("SET GLOBAL max_connections = 10")
        try:
            _occupy(scene, held)
            cursor.execute(_CONNECTIONS, (scene.schema.name,))
            for (connection,) in cursor.fetchall():
                with suppress(mysql.connector.Error):
                    cursor.execute(f"KILL {connection}")
            _occupy(scene, held)
            _wait_for_errors(scene, name, TOO_MANY)
        finally:
            cursor.execute("SET GLOBAL max_connections = @before")


_CONNECTIONS = f"SELECT id FROM information_schema.processlist WHERE user = '{CLERK}' AND db = %s"


def _occupy(scene: Scene, held: ExitStack) -> None:
    """Take every connection that there is, as the job's own user, but in no schema."""
    with suppress(mysql.connector.Error):
        while True:
            taken = mysql.connector.connect(
                host=scene.database.host, port=scene.database.port, user=CLERK, password="secret"
            )
            held.enter_context(closing(taken))


def hot_pair(scene: Scene, name: str) -> None:
    """Everybody pays to two accounts and these to each other, while a rival locks them the other way round."""
    scene.relaunch(settings={"PARTITIONS": "2", "MAX_THREADS": str(LANES // 2), "CHUNK_SIZE": "3"})
    wanted = scene.proxy.errors[DEADLOCK] + (100 if scene.long else 3)
    with _rival(scene):
        while scene.proxy.errors[DEADLOCK] < wanted:
            scene.put(_payments(scene.random, 60))
            scene.more("batch")
    scene.hits[name] += scene.proxy.errors[DEADLOCK] - wanted + (100 if scene.long else 3)
    with closing(scene.schema.connect()) as connection, closing(connection.cursor()) as cursor:
        cursor.execute("SELECT id FROM accounts FOR UPDATE")
        cursor.fetchall()
        _wait_for_errors(scene, name, LOCK_WAIT)
    scene.hear()
    scene.end()


def _payments(random: Random, number: int) -> Iterator[Message]:
    for _ in range(number):
        origin, destination = random.sample((*range(3, PAYERS), *HOT * 10), 2)
        destination = destination if destination in HOT or origin in HOT else random.choice(HOT)
        fields = {
            "type": "transaction",
            "origin_accounts_id": origin,
            "destination_accounts_id": destination,
            "memo": "hot",
            "transfer_value": random.randint(1, 300) / 100,
            "time_stamp": "2026-01-05 12:00:00",
            "status": 0,
        }
        yield "constant", json.dumps(fields).encode()


@contextmanager
def _rival(scene: Scene) -> Iterator[None]:
    """Another service that locks the accounts from the last to the first, again and again."""
    over = threading.Event()

    def lock() -> None:
        with closing(scene.schema.connect()) as connection, closing(connection.cursor()) as cursor:
            while not over.is_set():
                with suppress(mysql.connector.Error):
                    for account in range(PAYERS, 0, -1):
                        cursor.execute("SELECT id FROM accounts WHERE id = %s FOR UPDATE", (account,))
                        cursor.fetchall()
                connection.rollback()

    thread = threading.Thread(target=lock)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def column_dropped(scene: Scene, name: str) -> None:
    """Renamed, so that what it held is there again afterwards. The stream stops, and nothing becomes a letter."""
    job = scene.working()
    scene.schema.execute("ALTER TABLE transactions RENAME COLUMN memo TO gone")
    try:
        scene.until(lambda: [line for line in job.lines("waiting") if str(NO_COLUMN) in line["reason"]], "it waits")
        ended, letters = len(job.batches), scene.letters()
        _pass(2)
        assert (len(job.batches), scene.letters()) == (ended, letters), "no batch ends, and nothing becomes a letter"
        _wait_for_errors(scene, name, NO_COLUMN)
    finally:
        scene.schema.execute("ALTER TABLE transactions RENAME COLUMN gone TO memo")


def commits_cut(scene: Scene, name: str) -> None:
    """One in ten: before the COMMIT arrives, half-open, or after it was carried out; and some elsewhere."""
    random = scene.random

    def choose(packet: bytes) -> Cut:
        if not is_commit(packet):
            return Cut.BEFORE if random.random() < 0.002 else Cut.NONE
        return random.choice(WAYS) if random.random() < 0.1 else Cut.NONE

    commits = scene.proxy.commits + (1000 if scene.long else 150)
    scene.proxy.choose = choose
    job = scene.working()
    scene.send(6 * (commits - scene.proxy.commits))
    cuts = scene.proxy.cuts
    scene.until(
        lambda: (scene.proxy.commits >= commits and len(cuts) == len(WAYS)) or not job.running, "COMMITs are cut"
    )
    scene.proxy.choose = lambda _: Cut.NONE
    scene.hits[name] += cuts.total()


def slow_network(scene: Scene, name: str, delay: float = 0.0, rate: float = 0.0) -> None:
    scene.relaunch(settings={"CHUNK_SIZE": "200", "MAX_RECORDS_PER_SHARD": "1000"}).wait_for("batch")
    scene.send(500)
    before = scene.proxy.held_up
    scene.proxy.delay, scene.proxy.rate = delay if scene.long else delay / 4, rate
    scene.more("batch", 10 if scene.long else 1)
    scene.proxy.delay = scene.proxy.rate = 0.0
    scene.hits[name] += scene.proxy.held_up - before
    scene.end()


def half_open(scene: Scene, name: str) -> None:
    """Nothing passes and nothing ends: neither side hears that the other has gone."""
    scene.working()
    before = scene.proxy.held_up
    scene.proxy.open.clear()
    scene.until(lambda: scene.proxy.held_up > before, "something is stopped")
    _pass(60 if scene.long else 3)
    scene.proxy.open.set()
    scene.hits[name] += scene.proxy.held_up - before


def disk_full(scene: Scene, name: str) -> None:
    """Another table takes all the room that the database has, until the database gets more."""
    database = scene.database
    size = (database.data / "ibdata1").stat().st_size // MEGABYTE
    _restart_with_room(database, f":max:{size + 4}M")
    filler = scene.schema.another(f"{scene.schema.name}_filler")
    try:
        filler.execute("CREATE TABLE filler (content LONGBLOB)")
        for bytes_ in (400_000, 40_000, 4_000, 400):
            with suppress(mysql.connector.Error):
                while True:
                    filler.execute("INSERT INTO filler VALUES (REPEAT('x', %s))", (bytes_,))
        _wait_for_errors(scene, name, FULL)
    finally:
        _restart_with_room(database, "")
        filler.drop()


def _restart_with_room(database: DatabaseServer, most: str) -> None:
    database.kill9()
    database.set_options(f"innodb-data-file-path=ibdata1:12M:autoextend{most}")
    database.start()


def _wait_for_errors(scene: Scene, name: str, number: int, at_least: int = 1) -> None:
    before = scene.proxy.errors[number]
    scene.until(lambda: scene.proxy.errors[number] >= before + at_least, f"the database says {number} to the job")
    scene.hits[name] += scene.proxy.errors[number] - before


def _pass(seconds: float) -> None:
    """Time in which something lasts, or has to stay as it is."""
    time.sleep(seconds)


FAULTS = listed(
    Fault(
        "database restarted",
        "the server is shut down in mid-batch and started again",
        restarted,
        2,
        spark=True,
        shown=RETRIED,
    ),
    Fault("database killed", "SIGKILL to the server in mid-batch, started again", killed, 2, spark=True, shown=RETRIED),
    Fault(
        "database away",
        "the server is shut down in mid-batch and away for 3 s, with --long 45 s",
        away,
        0.5,
        rounds=1,
        shown=RETRIED,
    ),
    Fault(
        "database read-only", "read_only is set in mid-batch, with --long for 40 s", read_only, rounds=1, shown=RETRIED
    ),
    Fault(
        "out of connections",
        "others hold every connection, those of the job are killed",
        out_of_connections,
        shown=RETRIED,
    ),
    Fault(
        "hot pair",
        "20 lanes pay to two accounts that a rival locks the other way round, and once for longer than a lock waits",
        hot_pair,
        0.5,
        shown=CONFLICTS,
    ),
    Fault(
        "column dropped",
        "a column of transactions is away in mid-batch, and back later",
        column_dropped,
        0.5,
        shown=HALTED,
    ),
    Fault(
        "COMMIT cut",
        "one COMMIT in ten is cut off: before it, half-open, or its answer",
        commits_cut,
        2,
        rounds=1,
        spark=True,
    ),
    Fault(
        "latency",
        "every packet to and from the database takes 25 ms, with --long 100 ms",
        partial(slow_network, delay=0.1),
        0.3,
        1,
    ),
    Fault(
        "narrow network",
        "each connection to the database has 3 Mbit/s",
        partial(slow_network, rate=3e6 / 8),
        0.5,
        1,
    ),
    Fault(
        "half-open network",
        "for 3 s, with --long 60 s, nothing passes to or from the database, and nothing ends",
        half_open,
        0.5,
        1,
    ),
    Fault(
        "disk full",
        "another table takes all the room that the database has; later it has more",
        disk_full,
        0.5,
        shown=HALTED,
    ),
)
