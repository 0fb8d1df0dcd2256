"""An exchange's session at a moment, and the one before it, asked of a process of its own.

What knows the exchanges takes 95 MB of memory and is asked once a day: so that memory goes again.

    python -m market.dashboard.sessions XNYS 1693000000
"""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from market.calendar import Calendar
from pipeline.runtime.errors import Fatal
from pipeline.runtime.packing import ROOT

LONGEST_PAUSE: Final = timedelta(days=31)
"""Within which an exchange was open before."""
PATIENCE: Final = 120.0
"""Seconds for the other process."""


class Around(msgspec.Struct, frozen=True):
    """Seconds since the epoch. `closed`: when the session before has, 0 where there was none. `opens`, `closes`: of the
    one that goes on, or of the next one."""

    closed: float
    opens: float
    closes: float


def around(exchange: str, now: float) -> Around:
    """Ask. Raises `Fatal` where there is no such exchange."""
    asked = [sys.executable, "-m", __name__, exchange, str(now)]
    done = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False)
    if done.returncode:
        raise Fatal((done.stderr.strip().splitlines() or [f"the hours of {exchange} cannot be had"])[-1])
    return msgspec.json.decode(done.stdout, type=Around)


def found(exchange: str, now: float) -> Around:
    """The answer. Raises `Fatal`."""
    calendar = Calendar(exchange)
    session = calendar.next(datetime.fromtimestamp(now, UTC))
    earlier = calendar.sessions(session.day - LONGEST_PAUSE, session.day - timedelta(days=1))
    closed = earlier[-1].closes.timestamp() if earlier else 0.0
    return Around(closed, session.opens.timestamp(), session.closes.timestamp())


def main() -> int:
    """Print it; the exit code."""
    try:
        answer = found(sys.argv[1], float(sys.argv[2]))
    except Fatal as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(msgspec.json.encode(answer).decode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
