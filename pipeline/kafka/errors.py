"""Errors of Kafka's client, by fate.

| code                                             | fate                                                           |
|--------------------------------------------------|----------------------------------------------------------------|
| another producer of this id                      | `ShutOut`: tried again by a new one, which asks first          |
| not authorized, a message too large, no topic, … | `Halted`: people can mend it, and it goes on by itself         |
| everything else                                  | `Transient`: it is aborted, and written again by a new producer |
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import KafkaError, KafkaException

from pipeline.runtime.errors import Halted, PipelineError, Transient

SHUT_OUT = frozenset({KafkaError._FENCED, KafkaError.INVALID_PRODUCER_EPOCH, KafkaError.PRODUCER_FENCED})
PEOPLE = {
    KafkaError.MSG_SIZE_TOO_LARGE: "a message is larger than the topic takes: raise its max.message.bytes",
    KafkaError.RECORD_LIST_TOO_LARGE: "messages are larger than the topic takes: raise its max.message.bytes",
    KafkaError.UNKNOWN_TOPIC_OR_PART: "a topic or partition is not there",
    KafkaError._UNKNOWN_TOPIC: "a topic is not there",
    KafkaError._UNKNOWN_PARTITION: "a partition is not there",
    KafkaError.TOPIC_EXCEPTION: "no name of a topic",
    KafkaError.INVALID_TRANSACTION_TIMEOUT: "the brokers' transaction.max.timeout.ms is too short",
    KafkaError.POLICY_VIOLATION: "the brokers' policy forbids it",
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "no right to a topic",
    KafkaError.GROUP_AUTHORIZATION_FAILED: "no right to a group",
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: "no right to the cluster",
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED: "no right to a transactional id",
    KafkaError.SASL_AUTHENTICATION_FAILED: "the brokers do not let this user in",
    KafkaError._AUTHENTICATION: "the brokers do not let this user in",
}
BROKERS = "the Kafka brokers"


class ShutOut(Transient):
    """Another producer of the same transactional id has been made since this one."""


def told(error: KafkaException, what: str) -> PipelineError:
    """The error by its fate, saying `what` was tried; no value of a message is in it."""
    cause = error.args[0] if error.args else None
    code = cause.code() if isinstance(cause, KafkaError) else KafkaError.UNKNOWN
    name = cause.name() if isinstance(cause, KafkaError) else type(error).__name__
    fate: PipelineError
    if code in SHUT_OUT:
        fate = ShutOut(f"{what}: another producer has taken its place ({name})")
    elif code in PEOPLE:
        fate = Halted(f"{what}: {PEOPLE[code]} ({name})")
    else:
        fate = Transient(f"{what}: {name}")
    fate.waits_for = BROKERS
    return fate


@contextmanager
def by_fate(what: str) -> Iterator[None]:
    """Errors of Kafka's client within become ours, saying `what` was tried."""
    try:
        yield
    except KafkaException as error:
        raise told(error, what) from None
