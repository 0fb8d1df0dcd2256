"""One connection to MySQL or MariaDB: logged in, encrypted where asked for, its session settings read back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import mysql.connector
from mysql.connector.abstracts import MySQLConnectionAbstract

from pipeline.mysql.errors import AccessDenied, StatementRefused, translated
from pipeline.mysql.location import Credentials, Login, MysqlLocation
from pipeline.mysql.session_settings import SERVICE, keep
from pipeline.runtime.errors import Fatal, Halted, PipelineError, Transient

CONNECTOR: Final = f"mysql-connector-python {mysql.connector.__version__}"
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
        """A connection with its session settings verified. Raises `Transient` (server away), `Halted` (refused).

        Raises `Fatal` where the connector's C extension is missing: a service that is slow for that reason is not found
        out by anything else.
        """
        try:
            return self._verified(self._logged_in())
        except StatementRefused as error:  # an account that is locked, say: no row of anybody's is the reason
            raise Halted(str(error)) from None

    def _verified(self, connection: Any) -> MySQLConnectionAbstract:
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
        if not mysql.connector.HAVE_CEXT:
            raise Fatal(
                "mysql-connector-python has no C extension here: install the version that requirements.txt pins"
            )
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
        keep(cursor, SERVICE)
        cursor.execute(_CLOCK)
        ((_, clock_runs),) = cursor.fetchall()
    connection.rollback()
    if not clock_runs:
        raise Halted("the database does not keep the session settings: SYSDATE stands still (sysdate-is-now)")


def _require_encryption(connection: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SHOW SESSION STATUS LIKE 'Ssl_cipher'")
        ((_, cipher),) = cursor.fetchall()
    connection.rollback()
    if not cipher:
        raise Halted("the connection is not encrypted, though sslMode=REQUIRED, or more than that, asks for it")
