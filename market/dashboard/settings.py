"""Settings of the dashboard."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Annotated, ClassVar

from pydantic import AfterValidator, BeforeValidator, Field

from market.settings import CalendarSettings, MongoSettings, SymbolSettings, listed, of_topics
from pipeline.settings.group import setting


def _address(given: str) -> str:
    try:
        return str(ip_address(given))
    except ValueError:
        raise ValueError("is not an IP address") from None


class DashboardSettings(MongoSettings, CalendarSettings, SymbolSettings):
    """The page on which the market is watched: `python -m market.dashboard`."""

    title: ClassVar = "dashboard"

    symbols: Annotated[tuple[str, ...], BeforeValidator(listed), AfterValidator(of_topics)] = setting(
        "Symbols that may be chosen; unless set, every collection of the database is one",
        "AAPL,MSFT,BTC/USD",
        "symbols, by commas",
        default=(),
    )
    dashboard_port: Annotated[int, Field(ge=0, le=65535)] = setting(
        "Port of the page and of its probes /healthz and /readyz; 0: any that is free, which the log names",
        "8050",
        "port",
        default=8050,
    )
    dashboard_address: Annotated[str, AfterValidator(_address)] = setting(
        "Address of that port: 0.0.0.0 (or ::) in a container, or for other machines; it asks for no password",
        "0.0.0.0",  # noqa: S104
        "IP address",
        default="127.0.0.1",
    )
    dashboard_stale_after: Annotated[float, Field(ge=1, le=86_400)] = setting(
        "Time for which a candle may be missing while the exchange is open; then its chart says that it is stale",
        "180",
        "seconds",
        default=180.0,
    )
