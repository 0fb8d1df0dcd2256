"""Where the database is: a JDBC or mysql:// URL, read into what the connector wants."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol
from urllib.parse import parse_qsl, unquote, urlsplit

Tls = Literal["DISABLED", "PREFERRED", "REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY"]

DEFAULT_PORT = 3306
DEFAULT_SCHEMA = "bytecrunchers"
SHAPE = "a right one looks like jdbc:mysql://db.example.org:3306/bytecrunchers?sslMode=VERIFY_IDENTITY"

_MODES: dict[str, Tls] = {
    "DISABLED": "DISABLED",
    "PREFERRED": "PREFERRED",
    "REQUIRED": "REQUIRED",
    "VERIFY_CA": "VERIFY_CA",
    "VERIFY_IDENTITY": "VERIFY_IDENTITY",
    "DISABLE": "DISABLED",  # these three are MariaDB Connector/J's own names
    "TRUST": "REQUIRED",
    "VERIFY_FULL": "VERIFY_IDENTITY",
}


@dataclass(frozen=True, slots=True)
class Login:
    """What a server is told. `plugin`: how, where it is not as the server asks for."""

    user: str
    password: str = field(repr=False)
    plugin: str | None = None


class Credentials(Protocol):
    """Logins that change while the service runs; picklable and hashable."""

    def login(self, refused: Login | None = None) -> Login:
        """The login to use now; another than `refused`, which the server has just turned away, where there is one."""


@dataclass(frozen=True, slots=True)
class MysqlLocation:
    """One schema on one server, and how to get in. `tls` are MySQL's own ssl-mode names; `ca` is a path to a PEM file.

    `credentials`, where given, take the place of `user` and `password`.

    Under REQUIRED and VERIFY_CA the connector goes on where the server has no TLS: whoever connects has to look at
    `Ssl_cipher` afterwards.
    """

    host: str
    port: int = DEFAULT_PORT
    schema: str = DEFAULT_SCHEMA
    tls: Tls = "PREFERRED"
    user: str = ""
    password: str = field(default="", repr=False)
    ca: str | None = None
    credentials: Credentials | None = None

    @property
    def verifies(self) -> bool:
        """Whether the server's certificate is checked, which takes a `ca`."""
        return self.tls in ("VERIFY_CA", "VERIFY_IDENTITY")

    @property
    def tls_arguments(self) -> tuple[tuple[str, object], ...]:
        """What `mysql.connector.connect` is told of TLS, as (keyword, value)."""
        if not self.verifies:
            return (("ssl_disabled", self.tls == "DISABLED"),)
        identity = self.tls == "VERIFY_IDENTITY"
        return (("ssl_ca", self.ca), ("ssl_verify_cert", True), ("ssl_verify_identity", identity))


def parse_mysql_location(text: str, schema: str = DEFAULT_SCHEMA) -> MysqlLocation:
    """Read jdbc:mysql://, jdbc:mariadb:// or mysql://[user:password@]host[:port][/schema][?parameters].

    Of the parameters sslMode (ssl-mode), useSSL, requireSSL, verifyServerCertificate, user and password count, in any
    case, as in MySQL Connector/J. `schema`: unless it names one. Raises ValueError, with a text that repeats nothing of
    the URL.
    """
    url = text.strip()
    if not re.match(r"(?i)(jdbc:)?(mysql|mariadb)://", url):
        raise ValueError(f"is not a jdbc:mysql:// or mysql:// URL; {SHAPE}")
    try:
        parts = urlsplit(re.sub(r"(?i)^jdbc:", "", url))
        host, port = parts.hostname or "", parts.port or DEFAULT_PORT
    except ValueError:
        raise ValueError(f"has no readable host and port; {SHAPE}") from None
    # An "@" or "#" left over means a password that was not percent-encoded, cut in the wrong place.
    if "#" in url or "@" in parts.path + parts.query:
        raise ValueError(f"holds a raw '@' or '#': write %40 and %23 within a name or a password; {SHAPE}")
    if not re.fullmatch(r"[a-z0-9._-]+|[0-9a-f:.]+(%[\w.-]+)?", host):
        raise ValueError(f"names no single host; {SHAPE}")
    schema = unquote(parts.path.strip("/")) or schema
    if not re.fullmatch(r"[\w$-]{1,64}", schema):
        raise ValueError(f"names no single schema; {SHAPE}")
    parameters = {name.lower(): value for name, value in parse_qsl(parts.query)}
    user = unquote(parts.username) if parts.username else parameters.get("user", "")
    password = unquote(parts.password) if parts.password else parameters.get("password", "")
    return MysqlLocation(host, port, schema, _tls(parameters), user, password)


def _tls(parameters: Mapping[str, str]) -> Tls:
    mode = parameters.get("sslmode", parameters.get("ssl-mode"))
    if mode is not None:
        try:
            return _MODES[mode.upper().replace("-", "_")]
        except KeyError:
            raise ValueError(
                "has an unknown sslMode: DISABLED, PREFERRED, REQUIRED, VERIFY_CA, VERIFY_IDENTITY"
            ) from None
    on = {name for name, value in parameters.items() if value.lower() == "true"}
    if parameters.get("usessl", "").lower() == "false":
        return "DISABLED"
    if "verifyservercertificate" in on:
        return "VERIFY_CA"
    return "REQUIRED" if on & {"usessl", "requiressl"} else "PREFERRED"
