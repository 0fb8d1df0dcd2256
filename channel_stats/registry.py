"""The registry of schemas, by the part of Confluent's API that Apicurio, Karapace and Redpanda have as well.

Confluent's own client for Python 3.11 asks for a newer `certifi` than the other packages are tested with, and for an
HTTP client of its own; what is needed of it is here.

| answer                             | fate                                       |
|------------------------------------|--------------------------------------------|
| none, 408, 429, 5xx                | `Transient`: it is away, and is waited for |
| 401, 403, 409, 422, anything else  | `Halted`, saying what people have to mend  |
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from http import HTTPStatus
from typing import Any, Final

import httpx

from channel_stats.schemas import Schema, subject, versions
from pipeline.runtime.errors import Halted, PipelineError, Transient, waiting_for

AWAY: Final = "the schema registry"
UNREGISTERED: Final = "the registration of a schema"
LEVEL: Final = "FULL_TRANSITIVE"
"""Every version can be read by who knows any other one."""
PATIENCE: Final = 10.0
COMMAND: Final = "python -m channel_stats register"
_TYPE: Final = "application/vnd.schemaregistry.v1+json"
_PASSES: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})


class Incompatible(Halted):
    """A version that those who know another one cannot read, or the other way round."""


@dataclass(frozen=True)
class Registry:
    """`url`: up to where `/subjects` begins. Nothing is connected before it is asked. Methods raise `PipelineError`."""

    url: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    ca: str | None = None

    def schema(self, schema_id: int) -> Schema | None:
        """The schema of an id; None where there is none."""
        if schema_id >= 2**31:  # which no registry gives, and none can read
            return None
        answer = self._ask("GET", f"/schemas/ids/{schema_id}")
        return None if answer is None else _parsed(answer)

    def id_of(self, topic: str, schema: Schema) -> int:
        """The id of a schema that is registered for a topic. Raises `Halted` while it is not."""
        with waiting_for(UNREGISTERED):
            answer = self._ask("POST", f"/subjects/{subject(topic)}", {"schema": json.dumps(schema)})
            if answer is None:
                raise Halted(f"{AWAY} does not know the schema of {topic}: run `{COMMAND}`")
            return int(answer["id"])

    def register(self, topic: str) -> list[int]:
        """Register every version of a topic's schema that is missing, in their order; the ids of all.

        Raises `Incompatible`, with the versions before it registered.
        """
        first, *others = versions(topic)
        ids = [self.add(topic, first)]  # before which there is no subject to set a level for
        self._ask("PUT", f"/config/{subject(topic)}", {"compatibility": LEVEL})
        return ids + [self.add(topic, schema, f"version {number}") for number, schema in enumerate(others, 2)]

    def add(self, topic: str, schema: Schema, what: str = "a schema") -> int:
        """Register one, where it is not; its id. Raises as `register` does."""
        text = {"schema": json.dumps(schema)}
        known = self._ask("POST", f"/subjects/{subject(topic)}", text)
        if known is not None:
            return int(known["id"])
        try:
            answer = self._ask("POST", f"/subjects/{subject(topic)}/versions", text)
        except _Refused as refused:
            raise Incompatible(f"{what} of {topic} is not compatible with every one that is registered") from refused
        if answer is None:
            raise Halted(f"{AWAY} takes no schema of {topic}")
        return int(answer["id"])

    def is_compatible(self, topic: str, schema: Schema) -> bool:
        """Whether the registry would take it beside all versions that it has. Nothing is changed."""
        path = f"/compatibility/subjects/{subject(topic)}/versions"
        answer = self._ask("POST", path, {"schema": json.dumps(schema)})
        return answer is None or bool(answer["is_compatible"])

    def _ask(self, method: str, path: str, content: object = None) -> Any:
        """Its answer; None where there is no such thing."""
        with waiting_for(AWAY):
            return _read(self._sent(method, path, content))

    def _sent(self, method: str, path: str, content: object) -> httpx.Response:
        try:
            return self._client.request(method, f"{self.url.rstrip('/')}{path}", json=content)
        except httpx.TransportError as error:
            raise Transient(f"{AWAY} does not answer ({type(error).__name__})") from None

    @cached_property
    def _client(self) -> httpx.Client:
        auth = (self.user, self.password or "") if self.user is not None else None
        return httpx.Client(
            auth=auth, verify=_trusted(self.ca), timeout=PATIENCE, headers={"Accept": _TYPE, "Content-Type": _TYPE}
        )


class _Refused(Halted):
    """409 or 422: it does not fit what is there."""


def _read(answer: httpx.Response) -> Any:
    status = answer.status_code
    if status == HTTPStatus.NOT_FOUND:
        return None
    if status < HTTPStatus.BAD_REQUEST:
        try:
            return answer.json()
        except ValueError:
            raise Halted(f"{AWAY} answers otherwise than a schema registry does: look at SCHEMA_REGISTRY_URL") from None
    raise _by_fate(status)


def _by_fate(status: int) -> PipelineError:
    text = f"{AWAY} answers {status}"
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _PASSES:
        return Transient(text)
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return Halted(f"{text}: it does not let SCHEMA_REGISTRY_USER in")
    if status in (HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY):
        return _Refused(text)
    return Halted(text)


def _trusted(ca: str | None) -> Any:
    if ca is None:
        return True
    import ssl

    return ssl.create_default_context(cafile=ca)


def _parsed(answer: Any) -> Schema:
    """What it was told is a schema; one that is no record is no less foreign than any other."""
    found = json.loads(answer["schema"])
    return found if isinstance(found, dict) else {"type": found}
