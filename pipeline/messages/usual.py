"""A message as producers mostly write it, decoded in one go; whatever raises any doubt is read field by field instead.

The decoder checks what JSON's own types tell: integers within their bounds, texts no longer than their column, a status
of 0, no field that we do not know. What it leaves open (`Any`: numbers with a point, as Decimal; PINs and CVCs; the
producer's id) has to go through the readers of fields.py. A typed Decimal would not do: it takes "1.5" and "NaN".
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from functools import reduce
from operator import or_
from typing import Annotated, Any, ClassVar, Final, Generic, Literal, TypeVar

import msgspec

from pipeline.messages.fields import INT_UNSIGNED
from pipeline.runtime.errors import Rejected

Id = Annotated[int, msgspec.Meta(ge=0, le=INT_UNSIGNED)]
"""What fits INT UNSIGNED."""

DOUBTS: Final = (msgspec.DecodeError, UnicodeDecodeError, InvalidOperation, RecursionError, Rejected)
"""What decoding or reading raises where the message has to be read field by field."""

S = TypeVar("S", bound=msgspec.Struct)


class UsualMessage(msgspec.Struct, tag_field="type", forbid_unknown_fields=True, kw_only=True, gc=False):
    """One message type: a subclass has its name as tag, and its fields. None where an optional one is absent."""

    status: Literal[0]
    id: Any = None

    nullable: ClassVar[tuple[str, ...]] = ()
    """Fields in which NaN, which is no JSON but often sent, says what null says."""

    def message(self) -> Any:
        """What the type's `parse` would make of the same fields. Raises `Rejected` where there is a doubt."""
        raise NotImplementedError


class UsualKey(msgspec.Struct, tag_field="type", gc=False):
    """What keeps a message's order, taken out of it without a look at the rest. A subclass for each type."""

    def key(self) -> bytes:
        """As `ordering_key` of the same fields. Raises `Rejected` where there is a doubt."""
        raise NotImplementedError


MessageType = type[UsualMessage]
KeyType = type[UsualKey]


class UsualDecoder(Generic[S]):
    """Takes a message of any of these types. `nullable`: of all of them."""

    def __init__(self, kinds: Iterable[type[S]], nullable: Iterable[str]) -> None:
        self._decode = msgspec.json.Decoder(reduce(or_, kinds), float_hook=Decimal).decode
        # A name between two quotes, and what follows: it cannot lie within a text, where quotes are escaped.
        self._names = [f'"{name}": '.encode() for name in nullable]

    def decode(self, data: bytes) -> S:
        """Raises one of `DOUBTS` for what is no usual message."""
        try:
            return self._decode(data)
        except msgspec.DecodeError:
            if b"NaN" not in data:
                raise
        for name in self._names:
            data = data.replace(name + b"NaN", name + b"null")
        return self._decode(data)
