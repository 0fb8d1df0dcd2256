"""The channel statistics one version later: what they write of a day has a field more, with a default."""

from __future__ import annotations

import json
from pathlib import Path
from shutil import copyfile, copytree
from typing import Final

from channel_stats.schemas import FOLDER, Schema, newest
from tests.servers import ROOT

FIELD: Final = "views"
GROWN: Final[Schema] = {
    **newest("yt_daily"),
    "fields": [*newest("yt_daily")["fields"], {"name": FIELD, "type": "long", "default": -1}],
}
"""The next version of the schema of `yt_daily`."""


def deployed(folder: Path) -> Path:
    """All that the service and its commands need, with that schema among theirs; made in `folder`, which is not there.

    It has the jars of this tree.
    """
    for name in ("channel_stats", "migrations", "pipeline"):
        copytree(ROOT / name, folder / name)
    for name in ("stream_analytics.py", "alembic.ini"):
        copyfile(ROOT / name, folder / name)
    (folder / ".cache").symlink_to(ROOT / ".cache")
    number = len(list(FOLDER.glob("yt_daily.*"))) + 1
    (folder / FOLDER.relative_to(ROOT) / f"yt_daily.{number}.avsc").write_text(json.dumps(GROWN))
    return folder
