"""One connection to MySQL or MariaDB: logged in, encrypted where asked for, its session settings read back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import mysql.connector
from mysql.connector.abstracts import MySQLConnectionAbstract

from pipeline.mysql.errors import AccessDenied, translated
from pipeline.mysql.location import Credentials, Login, MysqlLocation
from pipeline.runtime.errors import Fatal, Halted, PipelineError, Transient

SESSION: Final = (
    "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
    "SET SESSION sql_mode = 'TRADITIONAL', time_zone = '+00:00', wait_timeout = 30, innodb_lock_wait_timeout = 5",
)
EXPECTED: Final[Mapping[str, str]] = {
    "isolation": "READ-COMMITTED",
    "time_zone": "+00:00",
    "character_set_client": "utf8mb4",
    "character_set_connection": "utf8mb4",
    "wait_timeout": "30",
    "innodb_lock_wait_timeout": "5",
}
_READ_BACK: Final = (
    "SHOW SESSION VARIABLES WHERE Variable_name IN ('transaction_isolation', 'tx_isolation', 'sql_mode', 'time_zone', "
    "'character_set_client', 'character_set_connection', 'wait_timeout', 'innodb_lock_wait_timeout')"
)
_CLOCK: Final = "SELECT SLEEP(0.001), SYSDATE(6) > NOW(6)"


@dataclass(frozen=True)
class Database:
    """Where the database is and how to get in; picklable. `tls`: keyword arguments of the connector.

    `encrypted`: a connection without TLS is refused, which the connector does by itself under VERIFY_IDENTITY only.
    `credentials`: in place of `user` and `password`, asked once more where the server refuses what they gave.
    """

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    schema: str
    tls: tuple[tuple[str, object], ...] = ()
    encrypted: bool = False
    credentials: Credentials | None = None

    @classmethod
    def at(cls, where: MysqlLocation) -> Database:
        """The database that a location names, with its credentials."""
        return cls(
            where.host,
            where.port,
            where.user,
            where.password,
            where.schema,
            where.tls_arguments,
            where.tls not in ("DISABLED", "PREFERRED"),
            where.credentials,
        )

    def connect(self) -> MySQLConnectionAbstract:
        """A connection with its session settings verified. Raises `Transient` (server away), `Halted` (refused)."""
        connection = self._logged_in()
        try:
            with translated():
                _prepare(connection)
                if self.encrypted:
                    _require_encryption(connection)
        except PipelineError:
            connection.close()
            raise
        verified: MySQLConnectionAbstract = connection
        return verified

    def _logged_in(self) -> Any:
        if self.credentials is None:
            return self._opened(Login(self.user, self.password))
        login = self.credentials.login()
        try:
            return self._opened(login)
        except AccessDenied:
            again = self.credentials.login(refused=login)
        try:
            return self._opened(again)
        except AccessDenied as error:
            raise Transient(f"{error}, also with credentials read anew: is a rotation under way?") from None

    def _opened(self, login: Login) -> Any:
        plugin = {} if login.plugin is None else {"auth_plugin": login.plugin}
        with translated():
            return mysql.connector.connect(
                host=self.host,
                port=self.port,
                user=login.user,
                password=login.password,
                database=self.schema,
                use_pure=False,
                charset="utf8mb4",
                collation="utf8mb4_general_ci",
                autocommit=False,
                connection_timeout=5,
                read_timeout=20,
                write_timeout=20,
                **plugin,
                **dict(self.tls),
            )


def _prepare(connection: Any) -> None:
    """Set what every connection needs, read it back, refuse a server that does otherwise."""
    with connection.cursor() as cursor:
        for statement in SESSION:
            cursor.execute(statement)
        cursor.execute(_READ_BACK)
        found = {("isolation" if "isolation" in name else name): str(value) for name, value in cursor.fetchall()}
        cursor.execute(_CLOCK)
        ((_, clock_runs),) = cursor.fetchall()
    connection.rollback()
    wrong = [f"{name} is {found.get(name)}" for name, value in EXPECTED.items() if found.get(name) != value]
    if "STRICT_ALL_TABLES" not in found.get("sql_mode", ""):
        wrong.append("sql_mode is not strict")
    if not clock_runs:
        wrong.append("SYSDATE stands still (sysdate-is-now)")
    if wrong:
        raise Halted("the database does not keep the session settings: " + ", ".join(wrong))


def _require_encryption(connection: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SHOW SESSION STATUS LIKE 'Ssl_cipher'")
        ((_, cipher),) = cursor.fetchall()
    connection.rollback()
    if not cipher:
        raise Halted("the connection is not encrypted, though sslMode=REQUIRED, or more than that, asks for it")


def check_client() -> None:
    """Raises `Fatal` where the connector's C extension is missing: it would fall back to pure Python silently."""
    if not mysql.connector.HAVE_CEXT:
        raise Fatal("mysql-connector-python has no C extension here: install the version of requirements.txt")
