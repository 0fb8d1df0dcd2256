"""Kinds of traffic, each a change of the usual one, so that a figure can be held against another's."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from random import Random
from typing import Any

from producers.traffic import MIX

ZIPF = 1.1
AMOUNTS = {"transaction": "transfer_value", "card_transaction": "transfer_value", "loan_payment": "amount"}
OWNERS = {
    "transaction": ("origin_accounts_id", "destination_accounts_id"),
    "card_transaction": ("merchant_account_id",),
    "loan_payment": ("account_id",),
    "stock": (),
}

Change = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Scenario:
    """`what`: for people. `mix`, `hot`: as in `Traffic`. `changed`: given a seed and the number of accounts, what is
    done to the fields of each message that is JSON."""

    what: str
    mix: Mapping[str, float] = field(default_factory=lambda: MIX)
    hot: float = 0.0
    changed: Callable[[int, int], Change] | None = None


def _only(type_: str) -> Scenario:
    return Scenario(f"{type_} only", {type_: 1})


def _refused(seed: int, accounts: int) -> Change:
    draw = Random(f"refused {seed}").random

    def change(fields: dict[str, Any]) -> None:
        if draw() < 0.5:
            fields[AMOUNTS.get(fields["type"], "price")] = -1

    return change


def _unreadable(seed: int, accounts: int) -> Change:
    draw = Random(f"unreadable {seed}").random

    def change(fields: dict[str, Any]) -> None:
        if draw() < 0.5:
            fields["timestamp" if fields["type"] == "stock" else "time_stamp"] = "yesterday"

    return change


def _zipf(seed: int, accounts: int) -> Change:
    random = Random(f"zipf {seed}")
    numbers = range(1, accounts + 1)
    until = list(accumulate(1 / rank**ZIPF for rank in numbers))

    def change(fields: dict[str, Any]) -> None:
        names = OWNERS[fields["type"]]
        chosen: set[int] = set()
        while len(chosen) < len(names):
            chosen.update(random.choices(numbers, cum_weights=until, k=len(names) - len(chosen)))
        fields.update(zip(names, chosen, strict=True))

    return change


SCENARIOS: dict[str, Scenario] = {
    "mixed": Scenario("the four types, 40 : 30 : 10 : 20"),
    **{type_: _only(type_) for type_ in MIX},
    "zipf": Scenario(f"accounts and merchants by Zipf's law, exponent {ZIPF}", changed=_zipf),
    "merchant": Scenario("one merchant in every second card message", hot=0.5),
    "refused": Scenario("half refused by a rule", changed=_refused),
    "letters": Scenario("half unreadable: dead letters", changed=_unreadable),
}


def changing(change: Change) -> Callable[[bytes], bytes]:
    """The same of a message's bytes; what is no message stays as it is."""

    def changed(data: bytes) -> bytes:
        try:
            fields = json.loads(data)
        except ValueError:
            return data
        if not isinstance(fields, dict) or fields.get("type") not in MIX:
            return data
        change(fields)
        return json.dumps(fields).encode()

    return changed
