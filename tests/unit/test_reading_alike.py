"""The service and the model read hostile messages alike: one field at a time takes every value of a list."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from tests.model.reading import Message, read
from tests.unit import alike
from tests.unit.alike import GOOD, SOUND, VALUES, WHOLE, differences


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
