"""Connects, and runs Alembic there, one at a time."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import mysql.connector
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.pool import NullPool

from migrations import require_newer, revision
from migrations.history import History
from pipeline.aws import Aws
from pipeline.mysql.credentials import RotatedSecret
from pipeline.mysql.location import DEFAULT_SCHEMA, MysqlLocation, parse_mysql_location
from pipeline.mysql.session_settings import MIGRATIONS, keep
from pipeline.runtime.errors import Fatal

log = logging.getLogger("migrations")

OTHERS_DONE_WITHIN = 3600
"""Seconds to wait for a migration that somebody else is running."""


def run(where: str | MysqlLocation, history: History) -> None:
    """As `migrations.upgrade`."""
    location = parse_mysql_location(where) if isinstance(where, str) else where
    here = Path(__file__).parent
    config = Config(str(here.parent / "alembic.ini"))
    config.set_main_option("version_locations", str(here / history.versions))
    config.set_main_option("path_separator", "os")
    newest = history.revisions[-1]
    with connected(location) as connection:
        current = revision(connection.connection, history)
        if current is not None and current not in history.revisions:
            require_newer(connection.connection, current, history)
            log.info("schema %s is at revision %s, newer than %s: left as it is", location.schema, current, newest)
            return
        config.attributes.update(connection=connection, history=history)
        command.upgrade(config, newest)
        log.info("schema %s is at revision %s", location.schema, newest)


def located(environment: Mapping[str, str], schema: str = DEFAULT_SCHEMA) -> MysqlLocation:
    """Where MYSQL_LOC and MYSQL_SSL_CA lead, as MYSQL_USER with MYSQL_PASS, or as MYSQL_SECRET_ID says.

    `schema`: unless MYSQL_LOC names one.

    Raises ValueError, which names the variable, and `PipelineError` where the secret cannot be read.
    """
    try:
        given = parse_mysql_location(environment.get("MYSQL_LOC", ""), schema)
    except ValueError as error:
        raise ValueError(f"MYSQL_LOC {error}") from None
    user, password = environment.get("MYSQL_USER") or given.user, environment.get("MYSQL_PASS") or given.password
    if secret := environment.get("MYSQL_SECRET_ID"):
        login = RotatedSecret(_aws(environment), secret).login()
        user, password = login.user, login.password
    if not user:
        raise ValueError("MYSQL_USER is missing")
    ca = environment.get("MYSQL_SSL_CA") or None
    tls = "VERIFY_CA" if ca and given.tls in ("PREFERRED", "REQUIRED") else given.tls
    return dataclasses.replace(given, user=user, password=password, ca=ca, tls=tls)


def _aws(environment: Mapping[str, str]) -> Aws:
    region = environment.get("AWS_DEFAULT_REGION") or environment.get("AWS_REGION")
    if not region:
        raise ValueError("AWS_DEFAULT_REGION is missing: MYSQL_SECRET_ID is there")
    return Aws(region, environment.get("ACCESS_KEY") or None, environment.get("SECRET_KEY") or None)


@contextmanager
def connected(location: MysqlLocation) -> Iterator[Connection]:
    """A connection that no other migration of the same schema has at the same time."""
    engine = create_engine(
        "mysql+mysqlconnector://",
        poolclass=NullPool,
        creator=lambda: _opened(location),
    )
    with engine.connect() as connection:
        _require_encryption(connection, location)
        # Ends with the connection, also when this process is killed.
        turn = text("SELECT GET_LOCK(LEFT(CONCAT('migrations of ', DATABASE()), 64), :seconds)")
        if connection.execute(turn, {"seconds": OTHERS_DONE_WITHIN}).scalar() != 1:
            raise Fatal("another migration of this schema is still running")
        yield connection


def _opened(location: MysqlLocation) -> Any:
    connection: Any = mysql.connector.connect(
        host=location.host,
        port=location.port,
        user=location.user,
        password=location.password,
        database=location.schema,
        charset="utf8mb4",
        collation="utf8mb4_general_ci",
        connection_timeout=10,
        **dict(location.tls_arguments),
    )
    with closing(connection.cursor()) as cursor:
        keep(cursor, MIGRATIONS)
    connection.rollback()
    return connection


def _require_encryption(connection: Connection, location: MysqlLocation) -> None:
    _, cipher = connection.execute(text("SHOW SESSION STATUS LIKE 'Ssl_cipher'")).one()
    if location.tls not in ("DISABLED", "PREFERRED") and not cipher:
        raise Fatal("the connection is not encrypted, though MYSQL_LOC asks for it")
