"""Which commands look after the market's services."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from market.dashboard.settings import DashboardSettings
from market.day.settings import DaySettings
from market.feed.settings import FeedSettings
from market.settings import CandleSettings, TradeSettings
from pipeline.structured.operations.commands import commands

if TYPE_CHECKING:
    from pipeline.structured.service import Service


def _candles(settings: CandleSettings) -> Service:
    from market.candles import service

    return service(settings)


def _trades(settings: TradeSettings) -> Service:
    from market.trades import service

    return service()


COMMANDS: Final = (
    commands("candles", "Candles of the market into MongoDB.", CandleSettings, _candles),
    commands("trades", "Trades into windows of average prices.", TradeSettings, _trades),
)

SETTINGS: Final = (DashboardSettings, FeedSettings, DaySettings)
"""Of programs that no command looks after: for the page of settings."""
