"""Logins to the database that change while the service runs: a rotated secret, a token for each connection.

Both are picklable and go along to the tasks: each process asks AWS itself, and keeps what it was told in memory only.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from pipeline.aws import Aws, error_code, is_aws_transient, lasting
from pipeline.mysql.location import Login
from pipeline.runtime.errors import Halted, PipelineError, Transient

_known: dict[tuple[int, RotatedSecret], Login] = {}
_reading = threading.Lock()


@dataclass(frozen=True)
class RotatedSecret:
    """The secret `secret_id` (name or ARN) of AWS Secrets Manager: JSON with username and password, as RDS keeps it."""

    aws: Aws
    secret_id: str

    def login(self, refused: Login | None = None) -> Login:
        """The login as this process knows it; read anew where the server has refused just that one.

        Raises `Transient`, `Halted`, `Fatal`.
        """
        process = os.getpid(), self
        with _reading:
            if process not in _known or _known[process] == refused:
                _known[process] = self._read()
            return _known[process]

    def _read(self) -> Login:
        try:
            answer = self.aws.client("secretsmanager").get_secret_value(SecretId=self.secret_id)
        except (ClientError, BotoCoreError) as error:
            raise _by_fate(error, f"secret {self.secret_id}") from None
        try:
            secret = msgspec.json.decode(answer.get("SecretString", ""), type=dict[str, object])
            user, password = secret["username"], secret["password"]
        except (msgspec.DecodeError, KeyError):
            user = password = None
        if not isinstance(user, str) or not isinstance(password, str):
            raise Halted(f"secret {self.secret_id} holds no JSON with the texts username and password")
        return Login(user, password)


@dataclass(frozen=True)
class IamToken:
    """IAM authentication to Amazon RDS: a token that is signed here, good for connecting within 15 minutes."""

    aws: Aws
    host: str
    port: int
    user: str

    def login(self, refused: Login | None = None) -> Login:
        """A new token. Raises `Fatal` without AWS credentials, `Transient` where they cannot be had now."""
        try:
            token = self.aws.client("rds").generate_db_auth_token(
                DBHostname=self.host, Port=self.port, DBUsername=self.user, Region=self.aws.region
            )
        except (ClientError, BotoCoreError) as error:
            raise _by_fate(error, "token for the database") from None
        return Login(self.user, token, "mysql_clear_password")


def _by_fate(error: Exception, what: str) -> PipelineError:
    return Transient(f"{what}: {error_code(error)}") if is_aws_transient(error) else lasting(error, what)
