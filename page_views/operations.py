"""Which commands look after the page views."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from page_views.names import TABLES as NAMES
from page_views.settings import ViewSettings
from page_views.users_command import users
from pipeline.lake.commands import HEADING, lake_commands
from pipeline.structured.operations.commands import commands

if TYPE_CHECKING:
    from pipeline.structured.service import Service


def _views(settings: ViewSettings) -> Service:
    from page_views.service import service

    return service(settings)


COMMANDS: Final = (
    commands(
        "page-views",
        "Page views into clean events, windows, sessions and tables.",
        ViewSettings,
        _views,
        {"Ask": (users,), HEADING: lake_commands(NAMES)},
    ),
)
