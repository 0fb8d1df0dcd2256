"""The schemas of the topics, every version that there ever was: `<topic>.<version>.avsc`, never changed once it is out.

A new version is a new file. It may add fields with defaults and take such fields away, so that whoever knows any
version reads what was written by any other (FULL_TRANSITIVE). What the service writes has the newest one.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).parent

Schema = dict[str, Any]


def subject(topic: str) -> str:
    """What the registry calls the schema of a topic's values."""
    return f"{topic}-value"


@cache
def versions(topic: str) -> tuple[Schema, ...]:
    """From the first to the newest."""
    found = {int(path.name.split(".")[1]): path for path in FOLDER.glob(f"{topic}.*.avsc")}
    return tuple(json.loads(found[number].read_text()) for number in range(1, len(found) + 1))


def newest(topic: str) -> Schema:
    """What is written, and what readers of ours are told."""
    return versions(topic)[-1]
