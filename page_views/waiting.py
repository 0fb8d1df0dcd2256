"""How far windows are closed, and which files hold what waits for the next ones: on record, batch by batch.

    <CHECKPOINT_DIR>/page-views/waiting/
        note.json   the state after the last batch, and after the one before it
        *.arrow     segments (`segment.py`)

A batch begins with the state that the batch before it has left, so one that comes again finds the same; without that
it does not begin, since views would be missing. A file counts once a note names it; those that none names any more are
removed. The first batch of a checkpoint begins with nothing, whatever a lost one has left here. Who finds the note
otherwise than it was as the batch began was overtaken.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from page_views.segment import SUFFIX, Segments, batch_of
from page_views.sessions import LENGTH
from pipeline.kafka.lanes import Overtaken
from pipeline.runtime.errors import Fatal
from pipeline.structured.files import Files

NOTE: Final = "note.json"


class State(msgspec.Struct, frozen=True):
    """After a batch.

    `watermark`: in seconds; views before it are late in the next batch, whatever VIEWS_LATENESS is by then. `batches`:
    segments of views as they were read; `parts`: for each part, the segment of what was left as windows closed last.
    `rows`: of all.
    """

    batch: int = -1
    watermark: int = 0
    batches: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    rows: int = 0

    @property
    def until(self) -> int:
        """The windows before are closed."""
        return self.watermark // LENGTH * LENGTH


class Waiting:
    """`root`: CHECKPOINT_DIR. Methods raise `Transient` where the store is away, `Fatal` as `Files` does."""

    def __init__(self, root: str) -> None:
        self._files = Files(f"{root.rstrip('/')}/page-views/waiting")
        self._found: str | None = None
        self.segments = Segments(self._files.uri)

    def before(self, batch: int) -> State:
        """What the batches before this one have left. Raises `Fatal` where that is not there."""
        self._found = self._files.read(NOTE)
        if batch == 0:
            self._remove(lambda _: True)
            return State()
        found = next((state for state in self._states() if state.batch == batch - 1), None)
        if found is None:
            raise self._useless(f"does not tell what batch {batch} begins with")
        return found

    def leave(self, before: State, after: State) -> None:
        """The state after a batch that began with `before`, once all that it says is in effect. Raises `Overtaken`."""
        if self._files.read(NOTE) != self._found:
            raise Overtaken(f"another process has written {self._files.uri}/{NOTE}: one of the two is too many")
        kept = msgspec.json.encode([after, before]).decode()
        self._files.write(NOTE, kept)
        self._found = kept

    def tidy(self) -> None:
        """Remove the files of batches that are over of which no state speaks. Those of later ones may be another's."""
        states = self._states()
        named = {name for state in states for name in (*state.batches, *state.parts)}
        newest = max((state.batch for state in states), default=0)
        self._remove(lambda name: name not in named and batch_of(name) < newest)

    def _remove(self, due: Callable[[str], bool]) -> None:
        for name in self._files.names():
            if name.endswith(SUFFIX) and due(name):
                self._files.remove(name)

    def _states(self) -> list[State]:
        try:
            return msgspec.json.decode(self._found or "[]", type=list[State])
        except msgspec.MsgspecError:
            raise self._useless("is not what this service writes there") from None

    def _useless(self, why: str) -> Fatal:
        return Fatal(f"{self._files.uri}/{NOTE} {why}: remove {self._files.uri.rpartition('/')[0]} to begin anew")
