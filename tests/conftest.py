"""Servers are started when the first test asks for one, once per run; every test has a schema of its own.

With TEST_DATABASE=mysql a private MySQL takes the place of the private MariaDB everywhere (`make mysql`), and with
TEST_DATABASE=mysql://user:password@host:port that server, whatever it is, for the tests that need no server of their
own; its user has to be allowed to create schemas, and the schemas of this run are dropped. KAFKA_TEST_BROKERS (a
bootstrap list) and MONGO_TEST_URI do the same for Kafka and MongoDB.
"""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import hypothesis  # noqa: F401 - its late import, with garbage to collect, breaks CPython 3.11's parser (gh-106905)
import pytest
import structlog

import migrations
from pipeline.mysql.location import parse_mysql_location
from tests import servers, spark_archive
from tests.faults.proxy import Cut, cutting
from tests.kafka import broker
from tests.mongo import database as mongo_database
from tests.schema import Schema

pytest_plugins = ["tests.durations"]

_numbers = itertools.count()


def pytest_configure() -> None:
    """What Spark needs to know: the Python of its workers, the address, and a Java where none is on the path.

    A background job of a shell inherits that SIGINT is ignored, under nohup SIGHUP too; so would all it starts.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ["SPARK_LOCAL_IP"] = servers.HERE
    installed = sorted(Path("/usr/lib/jvm").glob("java-[12]*-openjdk-*"))
    if "JAVA_HOME" not in os.environ and not shutil.which("java") and installed:
        os.environ["JAVA_HOME"] = str(installed[-1])
    os.environ.update(spark_archive.quick_start())


@pytest.fixture(autouse=True)
def _aws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the user's own AWS gets into a test, and no test out to AWS' metadata service."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture(autouse=True)
def _logs() -> Iterator[None]:
    """A test that configured the logs in this process had them written to a stream that is closed by now."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def database_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Schema]:
    """A database server and an empty schema on it. A test that stops its server starts one with `servers.database`."""
    given = os.environ.get("TEST_DATABASE", servers.kind())
    if given == servers.kind():
        with servers.database(tmp_path_factory.mktemp(given)) as private:
            yield private
    else:
        where = parse_mysql_location(given)
        server = Schema(where.host, where.port, where.user, where.password, where.schema)
        own = server.another(f"bytecrunchers_{os.getpid()}")
        yield own
        own.drop()


@pytest.fixture(scope="session")
def migrated(database_server: Schema) -> Iterator[Schema]:
    """A schema that the migrations made; `database` copies its tables."""
    template = database_server.another(f"migrated_{os.getpid()}")
    migrations.upgrade(template.url)
    yield template
    template.drop()


@pytest.fixture
def empty_schema(database_server: Schema) -> Iterator[Schema]:
    """A schema without tables."""
    schema = database_server.another(f"empty_{os.getpid()}_{next(_numbers)}")
    yield schema
    schema.drop()


@pytest.fixture
def database(migrated: Schema) -> Iterator[Schema]:
    """A schema of the service, up to date, with no rows."""
    schema = migrated.copy(f"test_{os.getpid()}_{next(_numbers)}")
    yield schema
    schema.drop()


@pytest.fixture
def without_tls(database: Schema) -> Iterator[Schema]:
    """`database`, as of a server that offers no TLS."""
    with cutting(database.port, lambda _: Cut.NONE) as proxy:
        yield Schema(servers.HERE, proxy.port, database.user, database.password, database.name)


@pytest.fixture
def own_moto() -> Iterator[str]:
    """The URL of a moto of a test's own: once it holds tables of Glue, it can no longer tell all that it holds."""
    with servers.moto() as endpoint:
        yield endpoint.url


@pytest.fixture(scope="session")
def moto() -> Iterator[str]:
    """The URL of moto's server; its state is shared, so tests choose names of their own."""
    with servers.moto() as endpoint:
        yield endpoint.url


@pytest.fixture(scope="session")
def kinesis_local() -> Iterator[str]:
    """The URL of kinesis-local, shared like moto's."""
    with servers.kinesis_local() as endpoint:
        yield endpoint.url


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Kafka broker's address. Shared, so tests choose topics of their own; one that kills its broker starts one."""
    if given := os.environ.get("KAFKA_TEST_BROKERS"):
        yield given
    else:
        with broker(tmp_path_factory.mktemp("kafka")) as private:
            yield private.bootstrap


@pytest.fixture(scope="session")
def mongo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URI of a database that speaks MongoDB's protocol. Shared, so tests choose databases of their own."""
    if given := os.environ.get("MONGO_TEST_URI"):
        yield given
    else:
        with mongo_database(tmp_path_factory.mktemp("mongo")) as private:
            yield private.uri
