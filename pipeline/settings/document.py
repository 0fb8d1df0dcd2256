"""docs/settings.md, from the settings themselves: `python -m pipeline.settings.document > docs/settings.md`."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from pydantic.fields import FieldInfo

from pipeline.settings.service import Settings

HEAD = """\
# Settings

Environment variables, read once at the start. An empty variable counts as absent. Wrong settings end the process with
exit code 2 and one line per problem. Made by `python -m pipeline.settings.document > docs/settings.md`.

| variable | what | unit, range | default |
|---|---|---|---|
"""


def page() -> str:
    """The whole page, in Markdown: a table with a row per variable."""
    return HEAD + "".join(f"| {' | '.join(_cells(field))} |\n" for field in Settings.model_fields.values())


def _cells(field: FieldInfo) -> Iterator[str]:
    extra = field.json_schema_extra
    yield f"`{field.alias}`"
    yield str(field.description)
    yield ", ".join(filter(None, [str(extra["unit"]) if isinstance(extra, dict) else "", _range(field)]))
    yield "**required**" if field.is_required() else f"`{field.default}`" if field.default not in (None, ()) else "none"


def _range(field: FieldInfo) -> str:
    bounds = {name: getattr(limit, name) for limit in field.metadata for name in ("ge", "le") if hasattr(limit, name)}
    return f"{bounds['ge']} to {bounds['le']}" if bounds else ""


if __name__ == "__main__":
    sys.stdout.write(page())
