"""Options that several commands take, and how they are answered."""

from __future__ import annotations

from typing import Annotated, Any

import typer

Json = Annotated[bool, typer.Option("--json", help="Answer for machines: one JSON document.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Who = Annotated[str | None, typer.Option("--as", metavar="NAME", help="Who you are, for the log of operations.")]
Reason = Annotated[str | None, typer.Option(help="Only letters of this reason, as `letters` names them.")]
Type = Annotated[str | None, typer.Option("--type", help="Only letters of this message type; '' for those without.")]
MOMENTS = ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d"]
"""How a moment may be written."""


def shown(value: Any) -> str:
    """A count, a text, or nothing, for a table's cell."""
    return "" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
