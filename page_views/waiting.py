"""How far windows are closed, and which files hold what waits for the next ones: on record, batch by batch.

    <CHECKPOINT_DIR>/page-views/waiting/
        note.json   the state after the last batch, and after the one before it
        *.arrow     segments (`segment.py`)

A batch begins with the state that the batch before it has left, so one that comes again finds the same. A file counts
once a note names it; those that none names any more are removed. With a lost checkpoint the note is lost as well, and a
state of later batches than the one at hand counts for nothing.
"""

from __future__ import annotations

from typing import Final

import msgspec

from page_views.segment import Segments
from pipeline.runtime.errors import Fatal
from pipeline.structured.files import Files

NOTE: Final = "note.json"


class State(msgspec.Struct, frozen=True):
    """After a batch.

    `newest`: the newest view's time, in seconds. `until`: the windows before are closed. `batches`: segments of views
    as they were read; `parts`: for each part, the segment of what was left as windows closed last. `rows`: of all.
    """

    batch: int = -1
    newest: int = 0
    until: int = 0
    batches: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    rows: int = 0


class Waiting:
    """`root`: CHECKPOINT_DIR. Methods raise `Transient` where the store is away, `Fatal` as `Files` does."""

    def __init__(self, root: str) -> None:
        self._files = Files(f"{root.rstrip('/')}/page-views/waiting")
        self.segments = Segments(self._files.uri)

    def before(self, batch: int) -> State:
        """What the batches before this one have left."""
        return next(iter(self._before(batch)), State())

    def leave(self, state: State) -> None:
        """The state after a batch, once all that it says is in effect."""
        kept = [state, *self._before(state.batch)[:1]]
        self._files.write(NOTE, msgspec.json.encode(kept).decode())

    def tidy(self) -> None:
        """Remove the files that no state speaks of; while no task writes any."""
        named = {name for state in self._states() for name in (*state.batches, *state.parts)}
        for name in self._files.names(""):
            if name.endswith(".arrow") and name not in named:
                self._files.remove(name)

    def _before(self, batch: int) -> list[State]:
        """The last first."""
        return [state for state in self._states() if state.batch < batch]

    def _states(self) -> list[State]:
        try:
            return msgspec.json.decode(self._files.read(NOTE) or "[]", type=list[State])
        except msgspec.MsgspecError:
            raise Fatal(f"{self._files.uri}/{NOTE} is not what this service writes there") from None
