"""The two tables, beside each what its topic has told, and how far that is noted, where they are missing."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Connection, text

from migrations.steps import Steps
from pipeline.runtime.errors import Fatal

revision = "0001"
down_revision = None

EXACT = ("utf8mb4_0900_bin", "utf8mb4_nopad_bin")
"""Collations, of MySQL and of MariaDB, in which texts are the same only where all their characters are: case, accents
and blanks at the end included (which `utf8mb4_bin` leaves out)."""


def upgrade() -> None:
    connection = op.get_bind()
    steps = Steps(connection)
    channel = f"channel VARCHAR(100) CHARACTER SET utf8mb4 COLLATE {exact(connection)} NOT NULL"
    counted = ("harvest_ts DATETIME NOT NULL", channel)
    steps.create_table(
        "yt_daily", *counted, "`date` DATETIME NOT NULL", "subs INT NOT NULL", "PRIMARY KEY (channel, `date`)"
    )
    steps.create_table(
        "yt_monthly",
        *counted,
        "year_and_month VARCHAR(10) NOT NULL",
        "subs INT NOT NULL",
        "PRIMARY KEY (channel, year_and_month)",
    )
    for topic in ("yt_daily", "yt_monthly"):
        steps.create_table(
            f"{topic}_told",
            "channel VARBINARY(400) NOT NULL",
            "span VARCHAR(10) CHARACTER SET ascii COLLATE ascii_bin NOT NULL",
            "harvest_ts DATETIME NOT NULL",
            "subs INT NOT NULL",
            "PRIMARY KEY (channel, span)",
        )
    steps.create_table(
        "channel_stats_marks",
        *(f"{name} VARCHAR(100) CHARACTER SET ascii COLLATE ascii_bin NOT NULL" for name in ("topic", "identity")),
        "lane INT NOT NULL",
        "part INT NOT NULL",
        "through BIGINT NOT NULL",
        "PRIMARY KEY (topic, lane, identity, part)",
    )


def exact(connection: Connection) -> str:
    """The one of them that this server has. Raises `Fatal`."""
    names = ", ".join(map(repr, EXACT))
    asked = f"SELECT collation_name AS name FROM information_schema.collations WHERE collation_name IN ({names})"
    found = {row.name for row in connection.execute(text(asked))}
    for name in EXACT:
        if name in found:
            return name
    raise Fatal(f"the server has no collation that keeps channels apart: none of {', '.join(EXACT)}")
