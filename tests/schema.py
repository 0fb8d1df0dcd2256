"""Where a schema is, and short ways to talk to it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from typing import Any

import mysql.connector


class Schema:
    """A schema on a MySQL or MariaDB. Every call of `query` and `execute` has a connection of its own and commits."""

    def __init__(self, host: str, port: int, user: str, password: str, name: str) -> None:
        self.host, self.port, self.user, self.password, self.name = host, port, user, password, name

    @property
    def url(self) -> str:
        return f"mysql://{self.user}:{self.password}@{self.host}:{self.port}/{self.name}"

    @property
    def environment(self) -> dict[str, str]:
        """The settings of the service that lead here."""
        location = f"jdbc:mysql://{self.host}:{self.port}/{self.name}"
        return {"MYSQL_LOC": location, "MYSQL_USER": self.user, "MYSQL_PASS": self.password}

    @property
    def is_mariadb(self) -> bool:
        """Whether the server is a MariaDB; else it is a MySQL."""
        ((version,),) = self.query("SELECT VERSION()")
        return "MariaDB" in version

    @property
    def check_failed(self) -> int:
        """The number of the error that a CHECK constraint refuses a row with."""
        return 4025 if self.is_mariadb else 3819

    def another(self, name: str) -> Schema:
        """The schema `name` (made where missing) on the same server."""
        with self._cursor(database=None) as cursor:
            cursor.execute(f"CREATE DATABASE IF NOT EXISTS `{name}` CHARACTER SET utf8mb4")
        return Schema(self.host, self.port, self.user, self.password, name)

    def add_user(self, user: str, password: str) -> None:
        """A user without rights, who gets in without TLS as well."""
        self.execute(f"CREATE USER {user} IDENTIFIED BY '{password}'")
        self.greet(user, password)

    def greet(self, user: str, password: str) -> None:
        """Log in once: MySQL lets in without TLS only whom it has seen with it since its start."""
        mysql.connector.connect(host=self.host, port=self.port, user=user, password=password).close()

    def copy(self, name: str) -> Schema:
        """The schema `name` with the tables of this one, empty, at the same revision."""
        copied = self.another(name)
        with copied._cursor() as cursor:
            for (table,) in self.query("SHOW TABLES"):
                cursor.execute(f"CREATE TABLE `{table}` LIKE `{self.name}`.`{table}`")
            cursor.execute(f"INSERT INTO bank_stream_revision SELECT * FROM `{self.name}`.bank_stream_revision")
        return copied

    def drop(self) -> None:
        """Drop the schema, and end every connection that is still in it: one of them may hold locks."""
        with self._cursor(database=None) as cursor:
            cursor.execute("SHOW PROCESSLIST")
            for connection, _, _, schema, *_ in cursor.fetchall():
                if schema == self.name:
                    with suppress(mysql.connector.Error):
                        cursor.execute(f"KILL {connection}")
            cursor.execute(f"DROP DATABASE IF EXISTS `{self.name}`")

    def connect(self, **options: Any) -> Any:
        """A connection of mysql-connector (in UTC, no autocommit unless `options` say so)."""
        return mysql.connector.connect(
            host=self.host,
            port=self.port,
            user=self.user,
            password=self.password,
            **{"database": self.name, "time_zone": "+00:00", "charset": "utf8mb4", **options},
        )

    def query(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """All rows of a SELECT."""
        with self._cursor() as cursor:
            cursor.execute(sql, tuple(parameters))
            rows: list[tuple[Any, ...]] = cursor.fetchall()
            return rows

    def execute(self, sql: str, parameters: Sequence[object] = ()) -> int:
        """Run one statement; the number of rows that it changed."""
        with self._cursor() as cursor:
            cursor.execute(sql, tuple(parameters))
            return int(cursor.rowcount)

    def grow_old(self) -> None:
        """Wait until the server has been up for two of its whole seconds."""
        while int(self.query("SHOW GLOBAL STATUS LIKE 'Uptime'")[0][1]) < 2:
            time.sleep(0.05)

    @contextmanager
    def _cursor(self, **options: Any) -> Iterator[Any]:
        with closing(self.connect(autocommit=True, **options)) as connection, closing(connection.cursor()) as cursor:
            yield cursor
