"""What of the settings is Spark's to know: sizes of driver and executors, and how many of these there are."""

from __future__ import annotations

from typing import Final

from pipeline.settings.stream import StreamSettings

BUSY: Final = 0.8
"""Share of the time in batches from which on an executor is added. While the stream is ahead, ticks work all the time
and overlap their interval, so that the share is 1, give or take a batch."""
IDLE: Final = 0.3
"""Share of the time below which one is taken away: so that what is left of two is not busy."""
_SCALING: Final = "spark.streaming.dynamicAllocation"


def options(settings: StreamSettings) -> dict[str, str]:
    """Spark's options as the settings say them; nothing for a setting that is absent.

    Spark's own scaling of streams looks at the time that batches take, not at receivers, so it serves a direct stream.
    An executor at work is never taken away.
    """
    return {**settings.spark_sizes(), **{name: str(value) for name, value in _scaling(settings).items()}}


def _scaling(settings: StreamSettings) -> dict[str, object]:
    if settings.max_executors is None:
        return {}
    return {
        "spark.executor.instances": 1,
        f"{_SCALING}.enabled": "true",
        f"{_SCALING}.minExecutors": 1,
        f"{_SCALING}.maxExecutors": settings.max_executors,
        f"{_SCALING}.scalingInterval": settings.scaling_interval,
        f"{_SCALING}.scalingUpRatio": BUSY,
        f"{_SCALING}.scalingDownRatio": IDLE,
    }
