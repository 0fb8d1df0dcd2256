"""The service and the model read hostile messages alike: one field at a time takes every value of a list."""

from __future__ import annotations

import json
from copy import copy
from decimal import Decimal

import pytest
from hypothesis import given

from pipeline.applying.routing import Router
from pipeline.messages.records import Event, Record
from tests.model.reading import Message, read
from tests.unit import alike
from tests.unit.alike import GOOD, ROUTER, ROUTES, SOUND, VALUES, WHOLE, differences
from tests.unit.hostile import hostile
from tests.unit.reading import patient


@pytest.mark.parametrize("kind", GOOD)
def test_every_field_of_every_type_is_read_as_the_model_reads_it(kind: str) -> None:
    found = []
    for name in (*GOOD[kind], "status", "id", "type", "volatility", "extra"):
        good = {key: json.dumps(value) for key, value in {**GOOD[kind], "type": kind, "status": 0}.items()}
        for value in (*VALUES, None):
            fields = {**good, name: value or ""}
            text = ", ".join(f'"{key}": {part}' for key, part in fields.items() if part)
            found += [f"{name} {value!s:.40}: {what}" for what in differences(f"{{{text}}}".encode())]
    assert not found


def test_whole_messages_are_read_as_the_model_reads_them() -> None:
    assert not [(data[:20], data[-20:], what) for data in WHOLE for what in differences(data)]


@patient
@given(hostile({}))
def test_messages_that_nobody_should_send_are_read_as_the_model_reads_them(data: bytes) -> None:
    assert not list(differences(data))


@pytest.mark.parametrize("kind", GOOD)
def test_a_message_as_it_is_mostly_written_is_not_looked_at_field_by_field(kind: str) -> None:
    domain = copy(ROUTES[kind])
    router = Router("stream", {kind: domain})
    good = {**GOOD[kind], "type": kind, "status": 0}
    with pytest.MonkeyPatch.context() as patch:
        for careful in ("parse", "ordering_key"):
            patch.setattr(domain, careful, _too_careful)
        for more in ({}, {"id": "mine"}, {"id": 7}, {"id": None}):
            record = Record("shard", "1", 0, 1000, json.dumps(good | more).encode())
            assert isinstance(router.interpret(record), Event)
            assert router.key_of(record) == ROUTER.key_of(record)
        with pytest.raises(AssertionError, match="field by field"):
            router.interpret(Record("shard", "1", 0, 1000, json.dumps(good | {"extra": 1}).encode()))


def _too_careful(fields: object) -> None:
    raise AssertionError("field by field")


def test_a_difference_would_be_seen() -> None:
    data = SOUND.replace(b"1.5", b"1.505")
    message = read(data)
    assert isinstance(message, Message)
    assert message.values["transfer_value"] == Decimal("1.51")
    assert not list(differences(data))
    message.values["transfer_value"] = Decimal("1.50")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(alike, "read", lambda data: message)
        assert list(differences(data)) == ["another transfer_value"]
