"""The tables of the channel statistics, in a schema of their own or of anybody's. `python -m migrations yt`.

Tables that are there already stay as they are, with their rows; missing ones are made.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy.exc import DBAPIError

from migrations import upgrade
from migrations.history import History
from pipeline.mysql.errors import translated
from pipeline.mysql.location import MysqlLocation
from pipeline.runtime.errors import Fatal, Halted

SCHEMA: Final = "yt"
COLUMNS: Final = ("harvest_ts", "channel", "subs")

YT: Final = History(
    revisions=("0001",),
    versions="yt/versions",
    table="channel_stats_revision",
    command="python -m migrations yt",
    needed={
        "yt_daily": (*COLUMNS, "date"),
        "yt_monthly": (*COLUMNS, "year_and_month"),
        "yt_daily_told": (*COLUMNS, "span"),
        "yt_monthly_told": (*COLUMNS, "span"),
        "channel_stats_marks": ("topic", "identity", "lane", "part", "through"),
    },
)


def prepare(where: MysqlLocation) -> None:
    """Make what is missing, for a service that starts, where its own user may.

    With a login by AWS nothing is made: there the tables are somebody else's to make. Raises `Transient`, `Fatal`.
    """
    if where.credentials is not None:
        return
    try:
        with translated():
            _upgrade(where)
    except Halted as error:
        raise Fatal(
            f"the tables are not up to date, and this user may not change that ({error}): run `{YT.command}`"
        ) from None


def _upgrade(where: MysqlLocation) -> None:
    try:
        upgrade(where, YT)
    except DBAPIError as error:
        raise error.orig or error from None
