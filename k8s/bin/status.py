#!/usr/bin/env python3
"""Answers from stdin, with what speaks against it. Exit code 0 where the answer is yes.

status.py led: does somebody alive hold the leases? `python -m pipeline status --json`
status.py settled: is every message read, and no letter open? The same.
status.py working: does a driver apply what comes? /status of each driver, a line each, with its time as `now`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from datetime import datetime
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
    for letter in status.get("unreadable_letters", ()):
        yield f"letter {letter['key']} cannot be read: {letter['why']}"


def idle(driver: Mapping[str, Any]) -> Iterator[str]:
    """What speaks against "working", of one driver. Ready alone says little of one that leads since a moment ago."""
    if driver["state"] != "leading":
        yield f"a driver is {driver['state']}"
        return
    led = driver["now"] - datetime.fromisoformat(driver["since"]).timestamp()
    lags = [shard["lag_seconds"] for shard in driver["shards"].values()]
    if not driver["ready"]["ok"]:
        yield driver["ready"]["why"]
    yield from (f"it waits for {wait['for']}: {wait['reason']}" for wait in driver["waiting"])
    if not driver["batches"] and not any(lag is not None and lag < led for lag in lags):
        yield f"it leads for {led:.0f} s, and has applied nothing"


def unworking(drivers: list[Mapping[str, Any]]) -> Iterator[str]:
    """What speaks against "working": one that works is enough, a standby does not."""
    found = [list(idle(driver)) for driver in drivers]
    if all(found):
        yield from (line for lines in found for line in lines)


def main() -> int:
    text = sys.stdin.read()
    if sys.argv[1] == "working":
        against = unworking([json.loads(line) for line in text.splitlines()])
    else:
        against = {"led": unled, "settled": unsettled}[sys.argv[1]](json.loads(text)) if text.strip() else iter(())
    found = list(against) if text.strip() else ["the service does not say how it is"]
    sys.stdout.write("".join(f"{line}\n" for line in found))
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
