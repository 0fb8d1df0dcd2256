"""An endless stream of messages, the same bytes for the same seed."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import accumulate
from random import Random
from typing import Literal

from producers.bank import BankShape
from producers.messages import Fields, Messages
from producers.oddities import ODDITIES

MIX: Mapping[str, float] = {"transaction": 40, "card_transaction": 30, "loan_payment": 10, "stock": 20}
"""Message type → its weight."""
PARTITION_KEY = "byte-henry"
BROKEN = (b'{"type": "transaction", "origin_acc', b"", b"null", b'{"type": "mortgage", "status": 0}', b"\xff\xfe{\x00")

_KEY_FIELDS = {
    "transaction": "origin_accounts_id",
    "card_transaction": "card_num",
    "loan_payment": "account_id",
    "stock": "ticker",
}

Message = tuple[str, bytes]
"""(partition key, data)"""


class Traffic:
    """Iterates over (partition key, data), without an end.

    `bank_seed`: the seed that the bank was filled with; None is `seed`. `mix`: weights by message type. `odd`: share of
    messages with something unusual or wrong. `ids`: share with an id of the producer's own; one in fifty of those is
    sent again. `hot`: share of card messages that go to one merchant. `partition_key`: "constant", as the real
    producers do, or "account", which spreads over shards and keeps what must keep its order together. `now`: where the
    time stamps are, UTC without a zone; None is the clock (and then the bytes differ from run to run).
    """

    def __init__(
        self,
        seed: int,
        bank: BankShape,
        *,
        bank_seed: int | None = None,
        mix: Mapping[str, float] = MIX,
        odd: float = 0.12,
        ids: float = 0.0,
        hot: float = 0.0,
        partition_key: Literal["constant", "account"] = "constant",
        now: datetime | None = None,
    ) -> None:
        unknown = mix.keys() - MIX.keys()
        if unknown or sum(mix.values()) <= 0:
            raise ValueError(f"a mix is made of {', '.join(MIX)}, with weights that are not all 0")
        self._random = Random(f"traffic {seed}")
        self._messages = Messages(self._random, bank, seed if bank_seed is None else bank_seed, now, hot)
        self._types = tuple(mix)
        self._until = [weight / sum(mix.values()) for weight in accumulate(mix.values())]
        self._odd, self._ids = odd, ids
        self._by_account = partition_key == "account"
        self._sent: deque[Message] = deque(maxlen=200)
        self._makers = {kind: getattr(self._messages, kind) for kind in self._types}
        self._encode = json.JSONEncoder().encode

    def __iter__(self) -> Iterator[Message]:
        return self

    def __next__(self) -> Message:
        draw = self._random.random
        if draw() < self._odd / 100:
            return PARTITION_KEY, BROKEN[int(draw() * len(BROKEN))]
        kind = self._draw_type(draw())
        fields: Fields = self._makers[kind]()
        if draw() < self._odd:
            changes = ODDITIES[kind]
            changes[int(draw() * len(changes))](fields, self._messages)
        key = str(fields[_KEY_FIELDS[kind]]) if self._by_account else PARTITION_KEY  # as it is sent
        if self._ids and draw() < self._ids:
            return self._with_id(key, fields)
        return key, self._encode(fields).encode()

    def _draw_type(self, share: float) -> str:
        for kind, until in zip(self._types, self._until, strict=True):
            if share < until:
                return kind
        return self._types[-1]

    def _with_id(self, key: str, fields: Fields) -> Message:
        draw = self._random
        if self._sent and draw.random() < 0.02:
            return self._sent[int(draw.random() * len(self._sent))]
        fields["id"] = draw.getrandbits(52) if draw.random() < 0.1 else f"{draw.getrandbits(128):032x}"
        message = key, self._encode(fields).encode()
        self._sent.append(message)
        return message
