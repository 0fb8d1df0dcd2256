"""The settings of `stream_consumer.py`, checked before anything else is loaded.

Nothing here imports Spark or an AWS library, so that wrong settings end the process within a second.
"""

from __future__ import annotations

from typing import ClassVar

from card_transactions.settings import FraudSettings
from pipeline.settings.stream import StreamSettings


class Settings(FraudSettings, StreamSettings):
    """The money: `stream_consumer.py`, and the commands of `python -m pipeline` that look after it."""

    title: ClassVar = "bank-stream"
