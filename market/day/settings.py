"""Settings of a trading day on one machine."""

from __future__ import annotations

from typing import ClassVar

from market.feed.settings import FeedSettings
from market.settings import CandleSettings


class DaySettings(FeedSettings, CandleSettings):
    """A trading day on one machine: `python -m market.day`. METRICS_PORT is the stream's."""

    title: ClassVar = "trading day"
