"""The page about the settings, made from the settings themselves: `python -m pipeline settings > docs/settings.md`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from pydantic.fields import FieldInfo

from pipeline.settings.group import SettingsGroup

HEAD = """\
# Settings

Environment variables, read once at the start. An empty variable counts as absent. Wrong settings end the process with
exit code 2 and one line per problem. Made by `python -m pipeline settings > docs/settings.md`.

First the services, each with the groups of settings that it takes and those of its own; then the groups.
"""
TABLE = "| variable | what | unit, range | default |\n|---|---|---|---|\n"


def page(services: Sequence[type[SettingsGroup]]) -> str:
    """The whole page, in Markdown: a part per service, then one per group, each with a row per variable."""
    parts = [_service(service) for service in services]
    shared = [group for service in services for group in _taken(service)]
    parts += [_part(group, group.__doc__ or "") for group in sorted(set(shared), key=lambda one: one.title)]
    return "\n".join([HEAD, *parts])


def _taken(service: type[SettingsGroup]) -> list[type[SettingsGroup]]:
    return [group for group in service.groups() if group is not service]


def _service(service: type[SettingsGroup]) -> str:
    groups = sorted(_taken(service), key=lambda group: group.title)
    links = ", ".join(f"[{group.title}](#{_anchor(group.title)})" for group in groups)
    return _part(service, f"{service.__doc__}\n\nTakes {links}.")


def _part(group: type[SettingsGroup], text: str) -> str:
    rows = "".join(f"| {' | '.join(_cells(group.model_fields[name]))} |\n" for name in group.own_fields())
    return f"## {group.title}\n\n{text.strip()}\n" + (f"\n{TABLE}{rows}" if rows else "")


def _anchor(title: str) -> str:
    """As GitHub makes it of a heading."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def _cells(field: FieldInfo) -> Iterator[str]:
    extra = field.json_schema_extra
    yield f"`{field.alias}`"
    yield str(field.description)
    yield ", ".join(filter(None, [str(extra["unit"]) if isinstance(extra, dict) else "", _range(field)]))
    yield "**required**" if field.is_required() else f"`{field.default}`" if field.default not in (None, ()) else "none"


def _range(field: FieldInfo) -> str:
    bounds = {name: getattr(limit, name) for limit in field.metadata for name in ("ge", "le") if hasattr(limit, name)}
    if len(bounds) == 2:
        return f"{bounds['ge']} to {bounds['le']}"
    return "".join(f"{'at least' if name == 'ge' else 'at most'} {limit}" for name, limit in bounds.items())
