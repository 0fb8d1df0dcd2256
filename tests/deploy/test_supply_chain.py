"""What is told of the packages: holes stop a build, and an audit that looked at nothing does not pass for one."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from scripts import supply_chain
from scripts.supply_chain import ROOT, bill_of_materials, judged


def package(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, **({"version": "1.0", "vulns": []} if "skip_reason" not in more else {}), **more}


HOLE = {"id": "PYSEC-1", "fix_versions": ["1.1"], "aliases": []}


def test_a_known_hole_is_an_error_that_names_its_mend() -> None:
    verdict = judged({"dependencies": [package("a"), package("b", vulns=[HOLE])]})
    assert verdict.code == 1
    assert verdict.lines == ["2 packages audited, 1 known holes", "b 1.0: PYSEC-1, mended in 1.1"]


def test_no_hole_is_no_error() -> None:
    assert judged({"dependencies": [package("a")]}) == (["1 packages audited, 0 known holes"], 0)


def test_packages_that_nobody_looked_at_are_named() -> None:
    skipped = package("a", skip_reason="not found")
    assert judged({"dependencies": [skipped, package("b")]}).lines[1:] == ["NOT AUDITED: a"]
    assert judged({"dependencies": [skipped]}).lines == [
        "NOT AUDITED: the database of holes knows none of 1 packages from here"
    ]


def test_a_database_out_of_reach_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "pip-audit"
    tool.write_text("#!/bin/sh\necho 'connection refused' >&2\nexit 1\n")
    tool.chmod(0o755)
    monkeypatch.setattr(supply_chain, "TOOLS", tmp_path)
    verdict = supply_chain.audit()
    assert verdict == (
        ["NOT AUDITED: the database of holes cannot be reached from here (connection refused)"],
        0,
    )


def test_the_bill_of_materials_names_every_package_with_its_hashes(tmp_path: Path) -> None:
    bill = json.loads(bill_of_materials(tmp_path).read_text())
    listed = re.findall(r"^([a-z0-9_.-]+)==(\S+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    assert {(one["name"], one["version"]) for one in bill["components"]} == set(listed)
    assert bill["bomFormat"] == "CycloneDX"
    assert all(any(reference.get("hashes") for reference in one["externalReferences"]) for one in bill["components"]), (
        "a component without a hash"
    )
