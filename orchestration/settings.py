"""Settings of the trading day: environment variables of Airflow's processes."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import ClassVar, Final

from market.settings import CalendarSettings
from pipeline.settings.group import setting

ROOT: Final = Path(__file__).resolve().parent.parent


class DagSettings(CalendarSettings):
    """When the day begins and ends, where its Deployments are, and what runs its commands."""

    title: ClassVar = "Trading day"

    market_namespace: str = setting(
        "Kubernetes' namespace with the Deployments candles, dashboard and feed",
        "market",
        "name",
        default="market",
        pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$",
    )
    market_python: str = setting(
        "Python that has the feed's packages (requirements-market.txt); from the project's folder, where it is no "
        "absolute path",
        "/opt/market/bin/python",
        "path",
        default=".venv/bin/python",
    )
    start_before: int = setting(
        "Begin so long before the opening: to start the stream and fetch what is missing",
        "15",
        "minutes",
        default=15,
        ge=0,
        le=240,
    )
    stop_after: int = setting(
        "Go on for so long after the close: the last candle is a minute old by then",
        "3",
        "minutes",
        default=3,
        ge=1,
        le=240,
    )
    ready_within: int = setting(
        "A Deployment that is not ready after so long fails the day", "600", "seconds", default=600, ge=1, le=7200
    )
    step_retries: int = setting(
        "How often Airflow tries a step again before the day fails; the stop ten times as often",
        "2",
        "times",
        default=2,
        ge=0,
        le=10,
    )

    @property
    def lead(self) -> timedelta:
        """From the day's begin to the opening."""
        return timedelta(minutes=self.start_before)

    @property
    def tail(self) -> timedelta:
        """From the close to the end."""
        return timedelta(minutes=self.stop_after)

    @property
    def python(self) -> Path:
        """What runs the commands."""
        return ROOT / self.market_python
