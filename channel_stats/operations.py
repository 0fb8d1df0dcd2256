"""Which commands look after the channel statistics."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from channel_stats.settings import ChannelSettings, ReadSettings, StoreSettings
from pipeline.structured.operations.commands import commands

if TYPE_CHECKING:
    from pipeline.structured.service import Service


def _stats(settings: ChannelSettings) -> Service:
    """With the registry among what is looked at: the service starts without it, and waits with its first batch."""
    from channel_stats.registry import AWAY
    from channel_stats.stats import registered, service

    found = service(settings)
    return replace(found, needs=[*found.needs, (AWAY, partial(registered, settings))])


COMMANDS: Final = (
    commands("channel-stats", "The latest counts of channels into topics and tables.", ChannelSettings, _stats),
)
SETTINGS: Final = (StoreSettings, ReadSettings)
"""Of programs that no command looks after: for the page of settings."""
