"""The servers that tests, demo and benchmarks run against, each private, on 127.0.0.1 and a free port of its own.

    with mariadb(folder) as database, moto() as aws: ...

Each context manager waits until its server answers, and ends it. `processes.Missing` says what to install.
"""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import mysql.connector

from tests.processes import Missing, Process, free_port, program
from tests.schema import Schema

HERE = "127.0.0.1"
ROOT = Path(__file__).resolve().parent.parent
MYSQL = ROOT / ".cache" / "mysql"
KINESIS_LOCAL = ROOT / ".cache" / "emulators" / "node_modules" / "kinesis-local" / "main.js"

# Committed data survives kill9() in both; only `durable` survives a power cut too, and pays for it.
FAST = ("--innodb-flush-log-at-trx-commit=2", "--innodb-flush-method=nosync", "--debug-no-sync", "--skip-sync-frm")
DURABLE = ("--innodb-flush-log-at-trx-commit=1",)
FAST_MYSQL = ("--innodb-flush-log-at-trx-commit=2", "--innodb-flush-method=nosync", "--skip-log-bin")
USER = f"--user={pwd.getpwuid(os.getuid()).pw_name}"


class DatabaseServer(Schema):
    """A private database server: where its schema `bytecrunchers` is, its data, and its process."""

    process: Process

    def __init__(self, folder: Path) -> None:
        super().__init__(HERE, free_port(), "root", "test", "bytecrunchers")
        self.data = folder / "data"
        self._options = folder / "options.cnf"
        self._users: list[tuple[str, str]] = []
        self.set_options()

    def set_options(self, *lines: str) -> None:
        """Options that every start from now on reads, in place of those set before; the command line's outrank them."""
        self._options.write_text("\n".join(["[server]", *lines, ""]))

    @property
    def pid(self) -> int:
        return self.process.pid

    def start(self) -> None:
        """Start (again), on the same port and data."""
        self.process.start()
        for user in self._users:
            self.greet(*user)

    def add_user(self, user: str, password: str) -> None:
        """As for every schema; lets in without TLS after the next start as well."""
        super().add_user(user, password)
        self._users.append((user, password))

    def stop(self) -> None:
        """Shut down in good order."""
        self.process.stop()

    def kill9(self) -> None:
        """What was committed is there after the next `start`."""
        self.process.kill9()

    def _answers(self) -> bool:
        try:
            self.connect().close()
        except mysql.connector.Error:
            return False
        return True


class MariaDB(DatabaseServer):
    """A private MariaDB."""

    def __init__(self, folder: Path, options: Sequence[str]) -> None:
        super().__init__(folder)
        first = folder / "first.sql"
        _make_data(self.data, USER)
        first.write_text(
            "CREATE DATABASE IF NOT EXISTS bytecrunchers CHARACTER SET utf8mb4;\n"
            "CREATE OR REPLACE USER root@'127.0.0.1' IDENTIFIED BY 'test';\n"
            "GRANT ALL ON *.* TO root@'127.0.0.1' WITH GRANT OPTION;\n"
        )
        self.process = Process(
            "mariadb",
            [
                program("mariadbd", "mariadb-server-core"),
                f"--defaults-file={self._options}",
                USER,
                f"--datadir={self.data}",
                f"--tmpdir={folder}",
                "--socket=socket",
                f"--pid-file={folder / 'pid'}",
                f"--port={self.port}",
                f"--bind-address={HERE}",
                f"--init-file={first}",
                "--skip-name-resolve",
                "--character-set-server=utf8mb4",
                "--innodb-buffer-pool-size=256M",
                "--innodb-log-file-size=256M",
                *options,
            ],
            folder / "mariadb.log",
            self._answers,
        )


def _make_data(data: Path, user: str) -> None:
    program("my_print_defaults", "mariadb-client-core")
    install = program("mariadb-install-db", "mariadb-server-core")
    how = ("--no-defaults", user, f"--datadir={data}", "--skip-test-db", "--auth-root-authentication-method=normal")
    # Two of them at once, each first in a container of its own, would name their temporary tables alike.
    own = {**os.environ, "TMPDIR": str(data.parent)}
    made = subprocess.run([install, *how], capture_output=True, text=True, env=own)
    if made.returncode:
        raise RuntimeError(f"mariadb-install-db failed:\n{(made.stdout + made.stderr)[-2000:]}")


S = TypeVar("S", bound=DatabaseServer)


@contextmanager
def _running(server: S) -> Iterator[S]:
    server.start()
    try:
        yield server
    finally:
        server.kill9()


@contextmanager
def mariadb(folder: Path, *, durable: bool = False, options: Sequence[str] = ()) -> Iterator[MariaDB]:
    """A MariaDB with its data in `folder` (made where missing), ended by kill -9: the data is nobody's afterwards."""
    folder.mkdir(parents=True, exist_ok=True)
    with _running(MariaDB(folder.resolve(), (*(DURABLE if durable else FAST), *options))) as server:
        yield server


class MySQL(DatabaseServer):
    """A private MySQL, of the version that scripts/setup_mysql.sh has unpacked, run by the loader it came with."""

    def __init__(self, folder: Path, options: Sequence[str]) -> None:
        super().__init__(folder)
        libraries = MYSQL / "usr/lib/x86_64-linux-gnu"
        if not libraries.exists():
            raise Missing("MySQL is missing: run `bash scripts/setup_mysql.sh`, which unpacks it into .cache/mysql")
        command = [
            str(libraries / "ld-linux-x86-64.so.2"),
            "--library-path",
            str(libraries),
            str(MYSQL / "usr/sbin/mysqld"),
            f"--defaults-file={self._options}",
            USER,
            f"--basedir={MYSQL / 'usr'}",
            f"--lc-messages-dir={MYSQL / 'usr/share/mysql'}",
            f"--datadir={self.data}",
            f"--tmpdir={folder}",
        ]
        first = folder / "first.sql"
        first.write_text(
            "CREATE DATABASE IF NOT EXISTS bytecrunchers CHARACTER SET utf8mb4;\n"
            "CREATE USER IF NOT EXISTS root@'127.0.0.1' IDENTIFIED BY 'test';\n"
            "GRANT ALL ON *.* TO root@'127.0.0.1' WITH GRANT OPTION;\n"
        )
        if not self.data.exists():
            made = subprocess.run([*command, "--initialize-insecure"], capture_output=True, text=True)
            if made.returncode:
                raise RuntimeError(f"mysqld --initialize-insecure failed:\n{made.stderr[-2000:]}")
        self.process = Process(
            "mysql",
            [
                *command,
                "--socket=socket",
                "--mysqlx=OFF",
                "--secure-file-priv=",
                f"--pid-file={folder / 'pid'}",
                f"--port={self.port}",
                f"--bind-address={HERE}",
                f"--init-file={first}",
                "--skip-name-resolve",
                "--innodb-buffer-pool-size=256M",
                "--innodb-redo-log-capacity=256M",
                *options,
            ],
            folder / "mysql.log",
            self._answers,
        )


@contextmanager
def mysql_server(folder: Path, *, durable: bool = False, options: Sequence[str] = ()) -> Iterator[MySQL]:
    """A MySQL, otherwise like `mariadb`. Durable are its defaults: a binary log, both logs flushed at each commit."""
    folder.mkdir(parents=True, exist_ok=True)
    with _running(MySQL(folder.resolve(), (*(() if durable else FAST_MYSQL), *options))) as server:
        yield server


NAMES = {"mariadb": "MariaDB", "mysql": "MySQL"}


def kind() -> str:
    """The private database that TEST_DATABASE chooses: "mariadb" unless it is "mysql"."""
    return "mysql" if os.environ.get("TEST_DATABASE") == "mysql" else "mariadb"


def database(
    folder: Path, *, durable: bool = False, options: Sequence[str] = ()
) -> AbstractContextManager[DatabaseServer]:
    """A private server of that kind, for whoever stops it, kills it or gives it options."""
    chosen = {"mariadb": mariadb, "mysql": mysql_server}[kind()]
    return chosen(folder, durable=durable, options=options)


@dataclass(frozen=True)
class Endpoint:
    """An AWS endpoint of ours: its URL and its process."""

    url: str
    process: Process


@contextmanager
def moto() -> Iterator[Endpoint]:
    """moto's server: Kinesis, DynamoDB, SES and the rest, in memory."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", HERE, "-p", str(port)]
    with _endpoint("moto", port, command, {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}) as endpoint:
        yield endpoint


@contextmanager
def kinesis_local(options: Mapping[str, str] | None = None) -> Iterator[Endpoint]:
    """kinesis-local, which splits and merges shards as Kinesis does. `options`: its environment, as SHARD_LIMIT."""
    if not KINESIS_LOCAL.exists():
        raise Missing("kinesis-local is missing: run `make setup`, which installs it with npm")
    port = free_port()
    settings = {
        "KINESIS_MOCK_PLAIN_PORT": str(port),
        "KINESIS_MOCK_TLS_PORT": str(free_port()),
        "LOG_LEVEL": "ERROR",
        "SHARD_LIMIT": "200",
    }
    command = [program("node", "nodejs"), str(KINESIS_LOCAL)]
    with _endpoint("kinesis-local", port, command, {**settings, **(options or {})}, KINESIS_LOCAL.parent) as endpoint:
        yield endpoint


@contextmanager
def _endpoint(
    name: str, port: int, command: Sequence[str], environment: Mapping[str, str], folder: Path | None = None
) -> Iterator[Endpoint]:
    with tempfile.TemporaryDirectory(prefix=f"{name}-") as logs:
        process = Process(name, command, Path(logs) / "log", lambda: _serves(port), environment, folder)
        process.start()
        try:
            yield Endpoint(f"http://{HERE}:{port}", process)
        finally:
            process.kill9()


def _serves(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://{HERE}:{port}/", timeout=5):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


@dataclass(frozen=True)
class SparkCluster:
    """A standalone Spark cluster: `url` is spark://…, `ui` the Master's web page, one process each."""

    url: str
    ui: str
    master: Process
    workers: list[Process]

    def has(self, workers: int) -> bool:
        """Whether the Master counts that many workers as alive."""
        return [worker["state"] for worker in self._workers()].count("ALIVE") >= workers

    @property
    def busy_cores(self) -> int:
        """Cores that the Master has given to executors."""
        return sum(worker["coresused"] for worker in self._workers())

    def _workers(self) -> list[dict[str, Any]]:
        with urllib.request.urlopen(f"{self.ui}/json/", timeout=5) as answer:
            return list(json.load(answer)["workers"])


@contextmanager
def spark_cluster(
    workers: int = 1, cores: int = 1, memory: str = "1g", options: Mapping[str, str] = {}
) -> Iterator[SparkCluster]:
    """A Master and `workers` Workers with `cores` cores and `memory` each, all registered; executors see this tree.

    `options`: of Spark, for Master and Workers.
    """
    with tempfile.TemporaryDirectory(prefix="spark-", ignore_cleanup_errors=True) as folder, ExitStack() as running:
        port, ui = free_port(), free_port()
        url = f"spark://{HERE}:{port}"
        arguments = ["--port", str(port), "--webui-port", str(ui)]
        master = _spark("Master", Path(folder) / "master", arguments, options, lambda: _serves(ui))
        started = SparkCluster(url, f"http://{HERE}:{ui}", master, [])
        running.callback(master.stop, patience=10)
        master.start()
        for number in range(workers):
            here = Path(folder) / f"worker{number}"
            arguments = ["--cores", str(cores), "--memory", memory, "--webui-port", "0", "--work-dir", str(here), url]
            started.workers.append(_spark("Worker", here, arguments, options, partial(started.has, workers)))
            running.callback(started.workers[number].stop, patience=10)
        with ThreadPoolExecutor() as together:
            list(together.map(Process.start, started.workers))
        yield started


def _spark(
    role: str, folder: Path, arguments: Sequence[str], options: Mapping[str, str], ready: Callable[[], bool]
) -> Process:
    folder.mkdir()
    home = find_spec("pyspark")
    if home is None or home.origin is None:
        raise Missing("pyspark is missing: run `make setup`")
    (folder / "spark-defaults.conf").write_text("".join(f"{name} {value}\n" for name, value in options.items()))
    spark_class = str(Path(home.origin).parent / "bin" / "spark-class")
    environment = {
        "SPARK_HOME": str(Path(home.origin).parent),
        "SPARK_LOCAL_IP": HERE,
        "SPARK_CONF_DIR": str(folder),
        "SPARK_LOCAL_DIRS": str(folder),
        "SPARK_DAEMON_MEMORY": "256m",
        "SPARK_DAEMON_JAVA_OPTS": "-XX:+UseSerialGC -XX:TieredStopAtLevel=1",  # starts in half the time
        "PYSPARK_PYTHON": sys.executable,
        "PYTHONPATH": str(ROOT),
    }
    program("java", "openjdk-17-jre-headless")
    command = [spark_class, f"org.apache.spark.deploy.{role.lower()}.{role}", "--host", HERE, *arguments]
    return Process(f"spark {role}", command, folder / "log", ready, environment, folder)
