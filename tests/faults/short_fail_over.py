"""stream_consumer.py with leases that expire sooner, so that a test need not wait 10 s for each dead driver.

`python -m tests.faults.short_fail_over` takes the arguments of stream_consumer.py.
"""

from __future__ import annotations

import sys
from functools import partial

import pipeline.service
import stream_consumer
from pipeline.keeper import LeaseKeeper

FAIL_OVER = 2.5
"""Seconds; deployed: 10."""

if __name__ == "__main__":
    vars(pipeline.service)["LeaseKeeper"] = partial(LeaseKeeper, failover_seconds=FAIL_OVER)
    sys.exit(stream_consumer.main())
