"""Which commands look after the page views."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from page_views.settings import ViewSettings
from pipeline.structured.operations.commands import commands

if TYPE_CHECKING:
    from pipeline.structured.service import Service


def _views(settings: ViewSettings) -> Service:
    from page_views.service import service

    return service(settings)


COMMANDS: Final = (commands("page-views", "Page views into clean events and windows.", ViewSettings, _views),)
