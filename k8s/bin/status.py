#!/usr/bin/env python3
"""Reads `python -m pipeline status --json` from stdin. Exit code 0 where the answer is yes, with what was found.

status.py led: does somebody alive hold the leases?
status.py settled: is every message read, and no letter open?
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any


def unled(status: Mapping[str, Any]) -> Iterator[str]:
    """What speaks against "led"."""
    if not any(holder["alive"] for holder in status["holders"]):
        yield "nobody who shows a sign of life holds the leases"


def unsettled(status: Mapping[str, Any]) -> Iterator[str]:
    """What speaks against "settled"."""
    for shard in status["shards"]:
        if shard["waiting"] != "0":
            yield f"{shard['shard']}: {shard['waiting'] or 'an unknown number of'} messages unread"
    for group in status["letters"]:
        yield f"{group['letters']} open letters: {group['reason']}"


def main() -> int:
    text = sys.stdin.read()
    against = {"led": unled, "settled": unsettled}[sys.argv[1]]
    found = list(against(json.loads(text))) if text.strip() else ["the service does not say how it is"]
    sys.stdout.write("".join(f"{line}\n" for line in found))
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
