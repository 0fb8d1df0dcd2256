"""Logins that change: a secret rotated while the service runs, and IAM tokens, up to what the server is sent."""

from __future__ import annotations

import json
import os
import pickle
import socket
import ssl
import struct
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from bank_stream.settings import Settings
from pipeline import aws
from pipeline.aws import Aws
from pipeline.mysql.credentials import IamToken, RotatedSecret
from pipeline.mysql.database import Connections, Database
from pipeline.mysql.errors import AccessDenied
from pipeline.mysql.location import Login, MysqlLocation
from pipeline.runtime.errors import Fatal, Halted, PipelineError, Transient
from pipeline.settings.errors import SettingsError
from tests.certificates import Authority
from tests.faults.job import until
from tests.faults.trial import Trial
from tests.schema import Schema
from tests.servers import ROOT

ROTATED = "correct horse battery"
LEAST = {"MYSQL_LOC": "jdbc:mysql://db.example.org/bytecrunchers", "AWS_DEFAULT_REGION": "us-east-1"}


class TestSecret:
    """A secret of moto's, and the user that it is about, who may do everything."""

    __test__ = False

    def __init__(self, url: str, schema: Schema) -> None:
        self.aws = Aws("us-east-1", "test", "test", (("AWS_ENDPOINT_URL", url),))
        self.client: Any = self.aws.client("secretsmanager")
        self.id = f"bank/{uuid.uuid4().hex}"
        self.user = f"u{uuid.uuid4().hex[:20]}"
        self._schema = schema
        schema.execute(f"CREATE USER `{self.user}`@'127.0.0.1' IDENTIFIED BY 'first'")
        schema.execute(f"GRANT ALL ON `{schema.name}`.* TO `{self.user}`@'127.0.0.1'")
        self.client.create_secret(Name=self.id, SecretString=self._text("first"))

    def say(self, password: str) -> None:
        """What the secret says from now on."""
        self.client.put_secret_value(SecretId=self.id, SecretString=self._text(password))

    def set_password(self, password: str) -> None:
        """What the server wants from now on; who is connected stays so."""
        self._schema.execute(f"ALTER USER `{self.user}`@'127.0.0.1' IDENTIFIED BY '{password}'")

    def end_connections(self) -> None:
        for connection, user, *_ in self._schema.query("SHOW PROCESSLIST"):
            if user == self.user:
                self._schema.execute(f"KILL {connection}")

    def drop(self) -> None:
        self._schema.execute(f"DROP USER `{self.user}`@'127.0.0.1'")

    @property
    def database(self) -> Database:
        """As a task gets it: pickled and unpickled."""
        schema = self._schema
        where = MysqlLocation(schema.host, schema.port, schema.name, credentials=RotatedSecret(self.aws, self.id))
        made: Database = pickle.loads(pickle.dumps(Database.at(where)))
        return made

    def _text(self, password: str) -> str:
        return json.dumps({"username": self.user, "password": password, "engine": "mysql", "host": "db", "port": 3306})


@pytest.fixture
def secret(moto: str, database: Schema) -> Iterator[TestSecret]:
    made = TestSecret(moto, database)
    yield made
    made.drop()


def test_the_login_comes_from_the_secret_and_is_read_once(secret: TestSecret) -> None:
    asked = []
    secret.client.meta.events.register("before-send.secrets-manager.GetSecretValue", lambda **_: asked.append(1))
    for _ in range(3):
        secret.database.connect().close()
    assert len(asked) == 1


def test_a_refused_login_is_read_anew_once_and_connects(secret: TestSecret) -> None:
    pool = Connections(secret.database, 2)
    first, second = pool.checkout(), pool.checkout()
    secret.set_password("second")
    secret.say("second")
    first.rollback()
    first.invalidate()
    pool.checkout().close()
    second.close()
    pool.close()


def test_while_the_secret_still_says_the_old_password_it_is_transient_and_heals(secret: TestSecret) -> None:
    secret.database.connect().close()
    secret.set_password("second")
    with pytest.raises(Transient, match=r"1045.*read anew") as refused:
        secret.database.connect()
    assert "first" not in str(refused.value)
    secret.say("second")
    secret.database.connect().close()


def test_many_threads_that_are_refused_at_once_read_the_secret_once(secret: TestSecret) -> None:
    secret.database.connect().close()
    secret.set_password("second")
    secret.say("second")
    asked, errors = [], []
    secret.client.meta.events.register("before-send.secrets-manager.GetSecretValue", lambda **_: asked.append(1))

    def connect() -> None:
        try:
            secret.database.connect().close()
        except PipelineError as error:
            errors.append(error)

    threads = [threading.Thread(target=connect) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (errors, len(asked)) == ([], 1)


@pytest.mark.parametrize("text", ["", "no json", "[]", '{"username": "u"}', '{"username": "u", "password": 5}'])
def test_a_secret_of_another_shape_halts_and_is_not_repeated(secret: TestSecret, text: str) -> None:
    secret.client.put_secret_value(SecretId=secret.id, SecretString=text or " ")
    with pytest.raises(Halted, match="holds no JSON with the texts username and password"):
        secret.database.connect()


def test_a_secret_that_is_missing_halts_and_one_that_is_out_of_reach_is_transient(
    moto: str, secret: TestSecret
) -> None:
    with pytest.raises(Halted, match="secret nothing: ResourceNotFoundException"):
        RotatedSecret(secret.aws, "nothing").login()
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        away = Aws("us-east-1", "t", "t", (("AWS_ENDPOINT_URL", f"http://127.0.0.1:{nobody.getsockname()[1]}"),))
        with pytest.raises(Transient):
            RotatedSecret(away, secret.id).login()


def test_no_text_shows_a_password_or_token(secret: TestSecret) -> None:
    login = RotatedSecret(secret.aws, secret.id).login()
    assert login == Login(secret.user, "first")
    assert "first" not in f"{login!r} {login} {secret.database!r}"


class WithSecret(Schema):
    """The same schema, for a job that is told of a secret and of no user and no password."""

    def __init__(self, schema: Schema, secret_id: str) -> None:
        super().__init__(schema.host, schema.port, schema.user, schema.password, schema.name)
        self._secret_id = secret_id

    @property
    def environment(self) -> dict[str, str]:
        return {"MYSQL_LOC": super().environment["MYSQL_LOC"], "MYSQL_SECRET_ID": self._secret_id}


def test_the_job_goes_on_through_a_rotation_in_driver_and_tasks(
    moto: str, database: Schema, tmp_path: Path, secret: TestSecret
) -> None:
    """The password changes first, then the secret, as Secrets Manager does it; every connection is lost meanwhile."""
    with Trial(database, moto, tmp_path, seed=3) as trial:
        trial.send(1000)
        job = trial.start("--until-caught-up", through=WithSecret(database, secret.id))
        job.wait_for("batch")
        secret.set_password(ROTATED)
        secret.end_connections()
        before = len(job.batches)
        until(lambda: trial.look() and "1045" in job.log.read_text(), "the job is refused")
        secret.say(ROTATED)
        assert job.exit_code() == 0
        assert len(job.batches) > before, "it ended without another batch"
        trial.check()
        assert ROTATED not in job.log.read_text()


def test_migrations_log_in_as_the_secret_says(moto: str, empty_schema: Schema) -> None:
    secret = TestSecret(moto, empty_schema)
    given = {**WithSecret(empty_schema, secret.id).environment, "AWS_ENDPOINT_URL": moto}
    command = [sys.executable, "-m", "migrations"]
    try:
        for region, code, said in (("", 2, "AWS_DEFAULT_REGION is missing"), ("us-east-1", 0, "is at revision")):
            environment = {**os.environ, **given, "AWS_DEFAULT_REGION": region}
            ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
            assert ended.returncode == code, ended.stderr
            assert said in ended.stderr
    finally:
        secret.drop()


# --- IAM

RDS = {
    **LEAST,
    "MYSQL_LOC": "jdbc:mysql://db.example.org/bytecrunchers?sslMode=VERIFY_IDENTITY",
    "MYSQL_IAM": "true",
    "MYSQL_USER": "stream",
    "ACCESS_KEY": "AKIAEXAMPLE",
    "SECRET_KEY": "wJalrExample",
}


def test_a_token_is_signed_for_this_server_and_user_and_made_anew(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").touch()
    where = Settings.read({**RDS, "MYSQL_SSL_CA": str(tmp_path / "ca.pem")}).mysql
    assert isinstance(where.credentials, IamToken)
    login = where.credentials.login()
    token = urlsplit(f"https://{login.password}")
    said = {name: value for name, (value,) in parse_qs(token.query).items()}
    assert (token.hostname, token.port) == ("db.example.org", 3306)
    assert (said["Action"], said["DBUser"], said["X-Amz-Expires"]) == ("connect", "stream", "900")
    assert "/us-east-1/rds-db/" in said["X-Amz-Credential"]
    assert (login.user, login.plugin) == ("stream", "mysql_clear_password")
    assert "wJalrExample" not in login.password


def test_without_aws_credentials_there_is_no_token(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setattr(aws, "_clients", {})
    with pytest.raises(Fatal, match="no AWS credentials"):
        IamToken(Aws("us-west-2"), "db", 3306, "stream").login()


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"MYSQL_LOC": "jdbc:mysql://db.example.org"}, "MYSQL_IAM sends its token as it is"),
        ({"MYSQL_SSL_CA": ""}, "MYSQL_SSL_CA is missing"),
        ({"MYSQL_SECRET_ID": "bank"}, "MYSQL_IAM is set, and so is MYSQL_SECRET_ID"),
        ({"MYSQL_USER": ""}, "MYSQL_USER is missing"),
        ({"MYSQL_IAM": "perhaps"}, "MYSQL_IAM: it should be a valid boolean"),
    ],
)
def test_settings_that_do_not_go_together_are_told(tmp_path: Path, changes: dict[str, str], text: str) -> None:
    (tmp_path / "ca.pem").touch()
    with pytest.raises(SettingsError) as raised:
        Settings.read({**RDS, "MYSQL_SSL_CA": str(tmp_path / "ca.pem"), **changes})
    assert text in str(raised.value)


class Rds(threading.Thread):
    """A server that speaks MySQL's protocol as far as RDS does with an IAM user: it asks for the token, over TLS."""

    def __init__(self, authority: Authority, *, tls: bool = True) -> None:
        super().__init__(daemon=True)
        self.received = b""
        self._tls = tls
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(*authority.server("localhost"))
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.start()

    def run(self) -> None:
        raw, _ = self._socket.accept()
        raw.settimeout(10)
        with closing(self._socket), closing(raw), suppress(OSError):
            self._serve(raw)

    def _serve(self, raw: socket.socket) -> None:
        # CONNECT_WITH_DB, PROTOCOL_41, SECURE_CONNECTION, PLUGIN_AUTH with data of any length and, if wanted, SSL.
        flags = 0x00288208 | (0x0800 if self._tls else 0)
        greeting = b"\x0a8.0.40\x00" + struct.pack("<I", 7) + b"a" * 8 + b"\x00" + struct.pack("<H", flags & 0xFFFF)
        greeting += b"\xff\x02\x00" + struct.pack("<H", flags >> 16) + b"\x15" + b"\x00" * 10 + b"b" * 12 + b"\x00"
        _send(raw, 0, greeting + b"mysql_native_password\x00")
        number, said = _receive(raw)
        if not self._tls:
            self.received = said
            return
        with self._context.wrap_socket(raw, server_side=True) as secured:
            number, _ = _receive(secured)
            _send(secured, number + 1, b"\xfemysql_clear_password\x00")
            number, self.received = _receive(secured)
            _send(secured, number + 1, b"\xff" + struct.pack("<H", 1045) + b"#28000Access denied for user")


def _send(connection: socket.socket, number: int, payload: bytes) -> None:
    connection.sendall(struct.pack("<I", len(payload))[:3] + bytes([number]) + payload)


def _receive(connection: socket.socket) -> tuple[int, bytes]:
    head = _exactly(connection, 4)
    return head[3], _exactly(connection, int.from_bytes(head[:3], "little"))


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            raise ConnectionError
        data += part
    return data


def _iam(port: int, ca: Path) -> Database:
    token = IamToken(Aws("us-east-1", "AKIAEXAMPLE", "wJalrExample"), "localhost", port, "stream")
    return Database.at(
        MysqlLocation("localhost", port, tls="VERIFY_IDENTITY", user="stream", ca=str(ca), credentials=token)
    )


def test_the_token_goes_to_the_server_in_clear_within_verified_tls(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "ours")
    rds = Rds(authority)
    where = _iam(rds.port, authority.ca)
    with pytest.raises(AccessDenied):
        where._opened(where.credentials.login())  # type: ignore[union-attr]
    rds.join(10)
    assert rds.received.startswith(f"localhost:{rds.port}/?Action=connect&DBUser=stream".encode())
    assert rds.received.endswith(b"\x00")


def test_no_token_goes_to_a_server_that_is_not_verified(tmp_path: Path) -> None:
    ours, stranger = Authority(tmp_path, "ours"), Authority(tmp_path, "stranger")
    for rds, ca in ((Rds(ours, tls=False), ours.ca), (Rds(ours), stranger.ca)):
        with pytest.raises(Transient, match="2026"):
            _iam(rds.port, ca).connect()
        rds.join(10)
        assert not rds.received
