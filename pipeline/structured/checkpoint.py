"""What a flow keeps between runs: Spark's own checkpoint, and beside it which topics that speaks of.

    <CHECKPOINT_DIR>/<service>/<flow>/
        spark/         Spark's: offsets/<batch> (planned), commits/<batch> (ended), state, …
        topics.json    name → identity of the topics that the offsets are of
        accepted.json  what an operator has accepted to lose; heeded at the next start

Spark ends a query whose topics have grown by one that does not begin at offset 0, or have become fewer, and does not
notice one that was made anew. So before a query begins, the offsets of its last batch are amended, which keeps its
state.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.kafka.places import Place
from pipeline.runtime.errors import Fatal
from pipeline.structured.files import Files

TOPICS, ACCEPTED, PROBE = "topics.json", "accepted.json", "probe"
VERSION = "v1"


@dataclass(frozen=True)
class Planned:
    """A batch as Spark planned it: per partition, the offset that it ends before; and its watermark in ms."""

    number: int
    through: Mapping[Place, int]
    watermark: int


class Checkpoint:
    """Of one flow. Methods raise `Transient` where the store is away, `Fatal` for what they cannot read."""

    def __init__(self, root: str, service: str, flow: str) -> None:
        self._files = Files(f"{root.rstrip('/')}/{service}/{flow}")
        self.spark = f"{self._files.uri}/spark"

    def topics(self) -> dict[str, str]:
        """Topic → identity, of all that the flow has read."""
        return self._json(TOPICS)

    def keep_topics(self, identities: Mapping[str, str]) -> None:
        self._files.write(TOPICS, json.dumps(dict(sorted(identities.items())), indent=1))

    def accepted(self) -> dict[str, Any]:
        """Topic → what was lost of it, as `losses.told` says it, and accepted."""
        return self._json(ACCEPTED)

    def accept(self, losses: Mapping[str, Any]) -> None:
        self._files.write(ACCEPTED, json.dumps({**self.accepted(), **losses}, indent=1))

    def settle(self) -> None:
        """What was accepted has been heeded."""
        self._files.remove(ACCEPTED)

    def probe(self) -> None:
        """Raises `Transient` where nothing can be written."""
        self._files.write(PROBE, "")
        self._files.remove(PROBE)

    def planned(self, number: int) -> Planned:
        """The batch `number`, which Spark has planned."""
        text = self._files.read(f"spark/offsets/{number}")
        if text is None:
            raise Fatal(f"{self.spark}: batch {number} is not there: remove this folder to begin from the topics anew")
        return _read(number, text, self.spark)

    def since(self, number: int) -> Mapping[Place, int]:
        """Per partition, the offset that the batch `number` begins at; a partition that was not there is left out."""
        return self.planned(number - 1).through if number else self.beginning()

    def last_ended(self) -> Planned | None:
        """The last batch that is known to have ended; None before the first."""
        ended = self._numbers("commits")
        return self.planned(ended[-1]) if ended else None

    def beginning(self) -> dict[Place, int]:
        """Where the first batch begins; nothing before Spark has resolved that."""
        text = self._files.read("spark/sources/0/0")
        return _places(json.loads(text.splitlines()[-1])) if text else {}

    def amend(self, through: Mapping[Place, int]) -> None:
        """Let the next batch begin at these offsets, and with these partitions only.

        A batch that was planned and has not ended is planned anew: what it had written already is known by its marks.
        """
        ended = self.last_ended()
        for number in self._numbers("offsets"):
            if ended is None or number > ended.number:
                self._files.remove(f"spark/offsets/{number}")
        if ended is None:
            self._files.write("spark/sources/0/0", f"\0{VERSION}\n{as_text(through)}")
        else:
            head = str(self._files.read(f"spark/offsets/{ended.number}")).splitlines()[:2]
            self._files.write(f"spark/offsets/{ended.number}", "\n".join([*head, as_text(through)]))

    def _numbers(self, folder: str) -> list[int]:
        return sorted(int(name) for name in self._files.names(f"spark/{folder}") if name.isdecimal())

    def _json(self, name: str) -> dict[str, Any]:
        try:
            found = json.loads(self._files.read(name) or "{}")
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise Fatal(f"{self._files.uri}/{name} is not what this service writes there")
        return found


def _read(number: int, text: str, where: str) -> Planned:
    version, _, rest = text.partition("\n")
    metadata, _, source = rest.partition("\n")
    if version != VERSION or "\n" in source:
        raise Fatal(f"{where}: batch {number} is of a version or a number of sources that this service does not write")
    return Planned(number, _places(json.loads(source)), int(json.loads(metadata)["batchWatermarkMs"]))


def _places(offsets: Mapping[str, Mapping[str, int]]) -> dict[Place, int]:
    return {(topic, int(partition)): offset for topic, parts in offsets.items() for partition, offset in parts.items()}


def as_text(through: Mapping[Place, int]) -> str:
    """Offsets as Spark writes them."""
    offsets: dict[str, dict[str, int]] = {}
    for (topic, partition), offset in sorted(through.items()):
        offsets.setdefault(topic, {})[str(partition)] = offset
    return json.dumps(offsets, separators=(",", ":"))
