"""A Kafka broker of a test's own (KRaft, one node), on 127.0.0.1 and free ports; the jars are those of jars.lock.

    with broker(folder) as kafka: ...

It can be killed and started again, on the same data and ports. `tests/topics.py` makes, fills and reads topics.
"""

from __future__ import annotations

import base64
import logging
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from tests.processes import Missing, Process, free_port, program
from tests.servers import HERE, ROOT

JARS: Final = ROOT / ".cache" / "jars" / "kafka"
HEAP: Final = "1g"
JAVA: Final = ("-Xms64m", f"-Xmx{HEAP}", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")
"""Starts in a third of the time that Kafka's own options take."""
LOG: Final = """\
log4j.rootLogger=WARN, out
log4j.appender.out=org.apache.log4j.ConsoleAppender
log4j.appender.out.layout=org.apache.log4j.PatternLayout
log4j.appender.out.layout.ConversionPattern=%d %p %m (%c)%n
"""
USER, PASSWORD = "analytics", "open sesame"
"""Of the listener with TLS; known by SCRAM-SHA-512, SCRAM-SHA-256 and PLAIN."""
SETTINGS: Final = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "auto.create.topics.enable": "false",
    "broker.session.timeout.ms": "3000",  # which a start after a kill waits for
    "broker.heartbeat.interval.ms": "500",
    "group.initial.rebalance.delay.ms": "0",
    "log.cleaner.dedupe.buffer.size": "4194304",
    "offsets.topic.num.partitions": "4",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "num.network.threads": "2",
    "num.io.threads": "4",
}
_quiet = logging.getLogger("tests.kafka.quiet")
_quiet.addHandler(logging.NullHandler())
_quiet.propagate = False


@dataclass(frozen=True)
class Secured:
    """The listener with TLS and SASL: its address, and the file with the authority to trust."""

    bootstrap: str
    ca: Path

    def client(self, mechanism: str = "SCRAM-SHA-512", password: str = PASSWORD) -> dict[str, str | int | float | bool]:
        """librdkafka's settings for it."""
        return {
            "bootstrap.servers": self.bootstrap,
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": mechanism,
            "sasl.username": USER,
            "sasl.password": password,
            "ssl.ca.location": str(self.ca),
        }


class Broker:
    """A private broker. `bootstrap`: its address without TLS; `secured`: the listener with it, where it was wanted."""

    def __init__(self, folder: Path, properties: Mapping[str, str], *, secured: bool) -> None:
        if not JARS.exists():
            raise Missing("Kafka's jars are missing: run `make setup`, which fetches them into .cache/jars")
        self.port = free_port()
        self.bootstrap = f"{HERE}:{self.port}"
        self.folder = folder
        settings = {**SETTINGS, "log.dirs": str(folder / "data"), **_listeners(self.port)}
        self.secured: Secured | None = None
        if secured:
            self.secured, own = _secure(folder, settings)
            settings |= own
        _format(folder / "data")
        (folder / "log4j.properties").write_text(LOG)
        lines = [f"{name}={value}\n" for name, value in {**settings, **properties}.items()]
        (folder / "server.properties").write_text("".join(lines))
        command = [program("java", "openjdk-17-jre-headless"), *JAVA]
        command += [f"-Dlog4j.configuration=file:{folder / 'log4j.properties'}", "-cp", f"{JARS}/*"]
        command += ["kafka.Kafka", str(folder / "server.properties")]
        self.process = Process("kafka", command, folder / "kafka.log", self._answers, {"LC_ALL": "C"}, folder)

    @property
    def pid(self) -> int:
        """The process id."""
        return self.process.pid

    def start(self) -> None:
        """Start (again), on the same ports and data."""
        self.process.start()
        if self.secured:
            _add_user(self.admin())

    def stop(self) -> None:
        """Shut down in good order."""
        self.process.stop()

    def kill9(self) -> None:
        """What was acknowledged is there after the next `start`: the machine's memory is not lost."""
        self.process.kill9()

    def admin(self) -> AdminClient:
        """A new client that keeps what it cannot reach to itself."""
        return admin(self.bootstrap)

    def forbid_making_topics(self) -> None:
        """From now on `USER` may do everything with topics but make them; only with `secured`."""

        def rule(what: ResourceType, name: str, may: AclOperation, verdict: AclPermissionType) -> AclBinding:
            return AclBinding(what, name, ResourcePatternType.LITERAL, f"User:{USER}", "*", may, verdict)

        rules = [
            rule(ResourceType.BROKER, "kafka-cluster", AclOperation.CREATE, AclPermissionType.DENY),
            rule(ResourceType.TOPIC, "*", AclOperation.CREATE, AclPermissionType.DENY),
            rule(ResourceType.TOPIC, "*", AclOperation.ALL, AclPermissionType.ALLOW),
        ]
        client = self.admin()
        for done in client.create_acls(rules).values():
            done.result()

    def _answers(self) -> bool:
        try:
            return bool(self.admin().list_topics(timeout=1).brokers)
        except KafkaException:
            return False


def admin(bootstrap: str) -> AdminClient:
    """A client for topics; it says nothing of its own on stderr."""
    quick = {"reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 100}
    return AdminClient({"bootstrap.servers": bootstrap, **quick}, logger=_quiet)


@contextmanager
def broker(folder: Path, properties: Mapping[str, str] = {}, *, secured: bool = False) -> Iterator[Broker]:
    """A broker with its data in `folder` (made where missing), ended by kill -9: the data is nobody's afterwards.

    `properties`: the broker's, on top of ours. `secured`: a second listener, with TLS and SASL, for `USER`; whoever
    comes by the first one may do everything, and ACLs count for the second where there are any.
    """
    folder.mkdir(parents=True, exist_ok=True)
    private = Broker(folder.resolve(), properties, secured=secured)
    private.start()
    try:
        yield private
    finally:
        private.kill9()


def _listeners(port: int) -> dict[str, str]:
    controller = free_port()
    return {
        "controller.quorum.voters": f"1@{HERE}:{controller}",
        "listeners": f"PLAINTEXT://{HERE}:{port},CONTROLLER://{HERE}:{controller}",
        "advertised.listeners": f"PLAINTEXT://{HERE}:{port}",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL",
    }


def _secure(folder: Path, settings: Mapping[str, str]) -> tuple[Secured, dict[str, str]]:
    """The listener with TLS, and the properties that make it."""
    from tests.certificates import Authority  # what it stands on is a package of the tests', which a demo goes without

    authority, port = Authority(folder, "kafka"), free_port()
    certificate, key = authority.server("localhost")
    (folder / "keystore.pem").write_text(key.read_text() + certificate.read_text())
    scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
    plain = f'org.apache.kafka.common.security.plain.PlainLoginModule required user_{USER}="{PASSWORD}";'
    return Secured(f"localhost:{port}", authority.ca), {
        "listeners": f"{settings['listeners']},SASL_SSL://{HERE}:{port}",
        "advertised.listeners": f"{settings['advertised.listeners']},SASL_SSL://localhost:{port}",
        "sasl.enabled.mechanisms": "SCRAM-SHA-512,SCRAM-SHA-256,PLAIN",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(folder / "keystore.pem"),
        "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": scram,
        "listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config": scram,
        "listener.name.sasl_ssl.plain.sasl.jaas.config": plain,
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
        "allow.everyone.if.no.acl.found": "true",
    }


def _format(data: Path) -> None:
    """What Kafka's own StorageTool writes, without a second start of Java."""
    if not data.exists():
        data.mkdir()
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        (data / "meta.properties").write_text(f"version=1\nnode.id=1\ncluster.id={cluster}\n")


def _add_user(client: AdminClient) -> None:
    changes = [
        UserScramCredentialUpsertion(USER, ScramCredentialInfo(mechanism, 4096), PASSWORD.encode())
        for mechanism in (ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512)
    ]
    for change in changes:
        for done in client.alter_user_scram_credentials([change]).values():
            done.result()
