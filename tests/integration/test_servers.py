"""The servers that the other tests stand on: they keep what was committed, and leave nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import mysql.connector
import psutil
import pytest

from tests import servers
from tests.processes import Missing, free_port
from tests.schema import Schema

PARENT = """
import os, signal, sys, threading
from pathlib import Path
from tests import servers
with servers.database(Path(sys.argv[1])) as database, servers.moto() as moto:
    database.kill9()
    again = threading.Thread(target=database.start)
    again.start()
    again.join()
    print(database.pid, moto.process.pid, flush=True)
    os.kill(os.getpid(), int(sys.argv[2]))
    threading.Event().wait()
"""


def test_a_killed_database_comes_back_on_its_port_with_what_was_committed(tmp_path: Path) -> None:
    with servers.database(tmp_path) as database:
        database.execute("CREATE TABLE kept (id INT PRIMARY KEY)")
        database.execute("INSERT INTO kept VALUES (1)")
        first = database.pid
        database.kill9()
        with pytest.raises(mysql.connector.Error):
            database.query("SELECT 1")
        database.start()
        assert database.query("SELECT id FROM kept") == [(1,)]
        assert database.pid != first


@pytest.mark.parametrize("signalled", [signal.SIGKILL, signal.SIGINT])
def test_no_server_outlives_the_process_that_started_it(tmp_path: Path, signalled: signal.Signals) -> None:
    command = [sys.executable, "-c", PARENT, str(tmp_path), str(int(signalled))]
    parent = subprocess.run(command, cwd=servers.ROOT, capture_output=True, text=True)
    assert parent.returncode != 0
    pids = [int(pid) for pid in parent.stdout.split()]
    assert len(pids) == 2
    deadline = time.monotonic() + 30
    while any(psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie" for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_server_that_does_not_start_shows_the_end_of_its_log(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="no-such-option"), servers.database(tmp_path, options=["--no-such-option"]):
        pass


def test_a_program_that_is_missing_is_named_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "KINESIS_LOCAL", Path("/nowhere/main.js"))
    with pytest.raises(Missing, match="make setup"), servers.kinesis_local():
        pass


def test_a_dropped_schema_takes_the_connections_that_were_left_in_it(database_server: Schema) -> None:
    schema = database_server.another(f"left_{os.getpid()}")
    schema.execute("CREATE TABLE locked (id INT)")
    left = schema.connect()
    left.cursor().execute("LOCK TABLES locked WRITE")
    schema.drop()
    assert not left.is_connected()
    assert database_server.query("SHOW DATABASES LIKE %s", (schema.name,)) == []


def test_free_ports_lie_below_those_of_outgoing_connections() -> None:
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert all(free_port() < first for _ in range(50))


def test_a_cluster_has_all_its_workers_and_loses_the_one_that_is_killed() -> None:
    with servers.spark_cluster(workers=2) as cluster:
        assert cluster.has(2)
        cluster.workers[0].kill9()
        while cluster.has(2):
            time.sleep(0.05)
        assert cluster.has(1)
