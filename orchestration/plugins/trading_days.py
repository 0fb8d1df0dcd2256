"""Makes the timetable known to Airflow, which loads no other."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin

from orchestration.timetable import TradingDays


class TradingDaysPlugin(AirflowPlugin):
    """Found by Airflow in its folder of plugins."""

    name = "trading_days"
    timetables = [TradingDays]  # noqa: RUF012 - as Airflow's class has it
