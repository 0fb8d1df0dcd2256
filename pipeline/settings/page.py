"""Where the driver serves its page, its metrics and its probes."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from pipeline.settings.group import SettingsGroup, setting


class PageSettings(SettingsGroup):
    """The driver's port."""

    title: ClassVar = "Page, metrics and probes"

    metrics_port: Annotated[int, Field(ge=0, le=65535)] = setting(
        "Port of the driver's page, /status, /metrics and probes; 0: none. One that is taken is done without",
        "8080",
        "port",
        default=8080,
    )
    metrics_address: str = setting(
        "Address of that port: 0.0.0.0 (or ::) in a container, whose probes come from outside; it takes no password, "
        "and tells of no message",
        "127.0.0.1",
        "IP address",
        default="0.0.0.0",  # noqa: S104
    )
