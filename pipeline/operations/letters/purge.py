"""Letters that nobody needs any more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from pipeline.console.output import Advance
from pipeline.dead_letters.items import StoredLetter
from pipeline.operations.workbench import Workbench
from pipeline.runtime.slices import slices

AT_ONCE = 500


def older(letters: Iterable[StoredLetter], days: float) -> list[StoredLetter]:
    """Those that were seen first more than so many days ago."""
    before = datetime.now(UTC) - timedelta(days=days)
    return [stored for stored in letters if stored.first_seen < before]


def delete(
    bench: Workbench, letters: Iterable[StoredLetter], counts: Counter[str], name: str, advance: Advance
) -> None:
    """Delete these letters, counted as `name`. Deleting one twice does nothing. Raises `Transient`, `Halted`."""
    counts[name] += 0
    keys = [stored.key for stored in letters]
    for part in slices(keys, AT_ONCE):
        bench.dead_letters.delete(part)
        counts[name] += len(part)
        advance(len(part))
