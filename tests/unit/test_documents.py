"""What the documents point at is there: sections, links, files, rooms."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.test_layout import ROOMS

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
NAMED = re.compile(r"[\w*./-]+\.(?:py|css|md|sql|yaml|json|conf|env|properties|toml)|[\w*./-]+/")


def anchors(page: Path) -> set[str]:
    """Of its headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def headings(page: Path) -> set[str]:
    return set(re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE))


def links(page: Path) -> Iterator[tuple[Path, str]]:
    """(page or file, anchor) of each link within this repository."""
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if not re.match(r"[a-z]+:", target):
            path, _, anchor = target.partition("#")
            yield ((page.parent / path).resolve() if path else page), anchor


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    wrong = [f"{path.name}#{anchor}" for path, anchor in links(page) if not path.exists()]
    wrong += [f"{path.name}#{anchor}" for path, anchor in links(page) if anchor and anchor not in anchors(path)]
    assert not wrong


def files_named(page: Path) -> Iterator[tuple[str, bool]]:
    """Each file and folder in backticks, and whether it is there: from the root, or beside the one named before it."""
    for line in page.read_text().splitlines():
        folder = ROOT
        for name in re.findall(r"`([^`]+)`", line):
            if not NAMED.fullmatch(name):
                continue
            found = next((base for base in (ROOT, folder) if any(base.glob(name.rstrip("/")))), None)
            yield name, found is not None
            if found is not None and "*" not in name:
                folder = (found / name).parent


@pytest.mark.parametrize(("page", "least"), [("architecture.md", 80), ("operations.md", 10), ("reliability.md", 15)])
def test_every_file_that_a_document_names_is_there(page: str, least: int) -> None:
    named = list(files_named(ROOT / "docs" / page))
    assert len(named) > least
    assert not [name for name, there in named if not there]


def test_every_file_that_the_readme_names_is_there() -> None:
    """Its drawing of the way names them at the end of each line, the second within the first one's folder, or whole."""
    drawing = (ROOT / "README.md").read_text().split("```")[3]
    for line in drawing.splitlines():
        folder = ROOT
        for name in re.findall(r"[\w*/]+\.py", line):
            base = next(base for base in (ROOT, folder) if any(base.glob(name)))
            folder = (base / name).parent


def test_the_rooms_are_told_in_an_order_in_which_each_imports_only_those_before_it() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    section = page[page.index("\n## The rooms\n") :]
    told = re.findall(r"^\| `(\w+)` \|", section[: section.index("\n## ", 1)], re.MULTILINE)
    assert sorted(told) == sorted(ROOMS)
    assert not [
        (room, ROOMS[room] - set(told[: told.index(room)]))
        for room in told
        if ROOMS[room] - set(told[: told.index(room)])
    ]


def test_sections_that_code_and_scripts_send_people_to_are_there() -> None:
    shown = subprocess.run(
        ["git", "grep", "-hoE", r"docs/operations\.md, \"?[A-Z][A-Za-z ]+", "--", ":!docs"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    named = {line.partition(", ")[2].strip('" ') for line in shown.splitlines()}
    assert named
    assert named <= headings(ROOT / "docs" / "operations.md")
