"""What a service of the analytics is: a value that the engine runs.

The engine reads topics, calls a flow with each batch, and commits after it. What it promises to a flow:

- A batch that did not end comes again, with the same records, also in another process; what `apply` writes through the
  batch (`write`, `letters`) is written once all the same. Whatever else it writes has to bear being written again.
- Records of a topic's partition come batch by batch in the order of their offsets, none twice but in such a repeated
  batch, or where the checkpoint was lost: then all come again that the topics still hold.
- A `Transient` or `Halted` that `apply` raises is waited for: it is called again with the same batch, with back-off,
  until it goes through. `Fatal` ends the process. An error that is none of ours, or a job that Spark gave up, ends the
  query, which begins again with the same batch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from pipeline.kafka.lanes import COUNT, Lanes, Written

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from pipeline.kafka.places import Place
    from pipeline.kafka.reading import Range
    from pipeline.observability.instruments import Instruments
    from pipeline.observability.polling import Poll

FOR_NOW = "-XX:TieredStopAtLevel=1"
"""What a service whose work is done in Python gives to `Service.jvm`: compiling plans for hours to come took longer."""
RECORD = (
    "key BINARY, value BINARY, topic STRING, partition INT, offset BIGINT, timestamp TIMESTAMP, "
    "headers ARRAY<STRUCT<key: STRING, value: BINARY>>"
)
"""Columns of the records that a flow is given; `timestamp` is the record's own, `value` is null for a tombstone."""
ROW = "key BINARY, value BINARY, topic STRING, partition INT, offset BIGINT"
"""Columns of rows to write. The last three are the row's mark: the place of the record that it comes from. Rows of one
key are written in the order of their marks. Further columns are ignored."""
LETTER = "key BINARY, value BINARY, topic STRING, partition INT, offset BIGINT, timestamp TIMESTAMP, "
LETTER += "reason STRING, field STRING, error STRING"
"""Columns of letters: the record as it came, why it is one, and where that helps its field and what was wrong with it
(both may be null, and never hold a value of the record)."""


class Batch(Protocol):
    """One batch of a flow. Not to be kept: it ends with `apply`."""

    @property
    def frame(self) -> DataFrame:
        """What `Flow.shape` made of the records. Evaluated anew by each action unless it is persisted."""

    @property
    def number(self) -> int:
        """Counts the batches of a checkpoint; comes again with a batch that comes again."""

    @property
    def through(self) -> Mapping[Place, int]:
        """Per partition read, the offset that the batch ends before."""

    @property
    def identities(self) -> Mapping[str, str]:
        """Of the topics that are read and written, each other than that of one of the same name before."""

    @property
    def watermark(self) -> int:
        """Event time in ms, 0 where there is none yet. A window that comes out in append mode ends at or before it."""

    def write(self, topic: str, rows: DataFrame, through: Mapping[Place, int] | None = None) -> None:
        """Write `rows` (columns `ROW`) to one of the service's topics, once and in a transaction per lane.

        `through`: everything before these marks is out once this returns; those of the batch unless given. Windows have
        no place of a record: their mark is (topic they are written to, 0, end of the window in ms), and `through` is
        {(that topic, 0): watermark + 1}.
        """

    def letters(self, rows: DataFrame) -> None:
        """Write `rows` (columns `LETTER`) to `<topic>.letters` of the topic that each came from, once."""

    def lanes(self, output: str, through: Mapping[Place, int] | None = None, count: int = COUNT) -> Lanes:
        """The same for tasks that have rows at hand: picklable, for one write. `output`: a topic, or "letters".

        `count`: how many there are; never to be changed. Task n of so many writes to lane n, and only what is dealt to
        it, the same in a repeated batch. What the tasks are told is given to `wrote`.
        """

    def wrote(self, output: str, lanes: Lanes, written: Sequence[Written]) -> None:
        """What came of the tasks that wrote to `lanes`."""

    def observed(self, name: str) -> Mapping[str, int]:
        """Counts that `Flow.shape` takes with `DataFrame.observe`, of this batch: there after an action on `frame`."""

    def records(self) -> DataFrame:
        """The batch's records as they came (columns `RECORD`), read from the brokers again: for few batches."""

    def ranges(self) -> Mapping[Place, Range]:
        """The batch's records by where they lie, for tasks that read them (`pipeline.kafka.reading`) without Spark."""

    def keeps(self, rows: int) -> None:
        """Say how many rows the flow keeps for later batches by itself, beside Spark: its state."""

    def count(self, name: str, amount: int = 1) -> None:
        """Add to what metrics, status and page say that became of records: accepted, corrected, …

        Letters and what was written are counted already. Heeded only where the batch ends well.
        """


class Told(Protocol):
    """What a service tells of itself beyond what the engine knows, to Prometheus and on its page."""

    @property
    def instruments(self) -> Instruments:
        """Makes metrics of the service's own."""

    def alarm(self, alarms: Mapping[str, str]) -> None:
        """What somebody has to look at, and why: all of it, in the place of what was said before."""


def as_they_came(records: DataFrame) -> DataFrame:
    """The shape of a flow whose batches are the records themselves."""
    return records


@dataclass(frozen=True)
class Flow:
    """One streaming query: from topics, batch by batch, to what `apply` does.

    `name`: part of the checkpoint's folder and of the names of groups and transactions; never change it.
    `topics`: what it reads. One may be added or taken away between runs.
    `shape`: what becomes of the records (columns `RECORD`) before they are cut into batches: windows, say. Output mode
    append. One that keeps a state (windows) must not be changed without a new name. `length`: seconds between the
    begins of its batches, where they are not those of BATCH_LENGTH.
    """

    name: str
    topics: Sequence[str]
    apply: Callable[[Batch], None]
    shape: Callable[[DataFrame], DataFrame] = as_they_came
    length: float | None = None


@dataclass(frozen=True)
class Service:
    """All that the engine has to know of a service.

    `writes`: topics that it writes, letters aside; made where they are missing. `packages`: our own that its tasks
    import, `pipeline` aside. `tasks`: modules that tasks begin with, to be imported before the first of them. `needs`:
    what has to answer before it starts (name, probe), the brokers aside; a probe raises `Transient` while it does not.
    `prepare`: called once with the session, before the first query. `options`: Spark's, on top of the engine's. `jvm`:
    options of JVMs, on top of the engine's. `jars`: sections of jars.lock that Spark needs, Kafka's aside. `finish`:
    called once all queries have ended, before Spark does: what is still to be in effect then. It may raise `Transient`
    and `Halted`, and is called again. `watch`: a look at what the service has done, taken beside the batches every
    `watch_interval` seconds.
    """

    name: str
    flows: Sequence[Flow]
    writes: Sequence[str] = ()
    packages: Sequence[str] = ()
    tasks: Sequence[str] = ()
    needs: Sequence[tuple[str, Callable[[], object]]] = ()
    prepare: Callable[[SparkSession], None] | None = None
    options: Mapping[str, str] | None = None
    jars: Sequence[str] = ()
    jvm: str = ""
    finish: Callable[[], object] | None = None
    watch: Callable[[Told], Poll] | None = None
    watch_interval: float = 60.0
