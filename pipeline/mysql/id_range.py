"""The ids that a table has given out and has left, as SHOW CREATE TABLE tells.

That knows the next id as it is: information_schema may be a day behind on MySQL, and the highest id in the table says
nothing of those that were rolled back.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_BITS: Final = {"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "bigint": 64}
_COLUMN: Final = re.compile(r"^\s*`[^`]+` (\w+)(?:\(\d+\))?( unsigned)?.* AUTO_INCREMENT\b", re.MULTILINE)
_NEXT: Final = re.compile(r"^\).* AUTO_INCREMENT=(\d+)", re.MULTILINE)


class IdRange(NamedTuple):
    """`next_id` to `highest_id` are left."""

    next_id: int
    highest_id: int

    @property
    def left(self) -> int:
        """How many."""
        return max(0, self.highest_id - self.next_id + 1)

    @property
    def share_left(self) -> float:
        """1: none used, 0: exhausted."""
        return self.left / self.highest_id


def id_range(made: str) -> IdRange | None:
    """Of a table made by this statement; None where it has no AUTO_INCREMENT."""
    column = _COLUMN.search(made)
    if column is None:
        return None
    kind, unsigned = column[1], column[2]
    following = _NEXT.search(made)
    return IdRange(int(following[1]) if following else 1, 2 ** (_BITS[kind.lower()] - (not unsigned)) - 1)
