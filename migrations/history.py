"""One history of steps, of which there are several: a schema may be of the money's or of another service's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection


@dataclass(frozen=True)
class History:
    """`revisions`: in their order; the last is what this version of the service needs. `versions`: the folder of the
    steps, below this one. `table`: where the revision is noted. `command`: what brings a schema up to date. `needed`:
    what the steps up to the last one have added to each table, and so what a newer schema has as well. `require`:
    raises `Fatal` where the steps could not go through.
    """

    revisions: tuple[str, ...]
    versions: str
    table: str
    command: str
    needed: Mapping[str, tuple[str, ...]]
    require: Callable[[Connection], None] = lambda _: None
