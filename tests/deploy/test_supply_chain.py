"""What is told of the packages: holes stop a build, and an audit that looked at nothing does not pass for one."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
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


ABSENT = "Dependency not found on PyPI and could not be audited: a (1.0)"


def test_a_package_that_the_database_alone_does_not_know_is_an_error() -> None:
    skipped = package("a", skip_reason=ABSENT)
    verdict = judged({"dependencies": [skipped, package("b")]})
    assert verdict == (["1 packages audited, 0 known holes", f"NOT AUDITED: a: {ABSENT}"], 1)
    assert judged({"dependencies": [package("a", skip_reason="its version cannot be read")]}).code == 1
    assert judged({"dependencies": []}).code == 1, "it looked at nothing"


def test_a_mirror_without_the_database_is_said() -> None:
    """It answers, with Not Found for every package there is."""
    told = "NOT AUDITED: the database of holes knows none of 1 packages from here"
    assert judged({"dependencies": [package("a", skip_reason=ABSENT)]}) == ([told], 0)


@pytest.fixture
def audits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., supply_chain.Verdict]:
    """An audit whose tool says that and ends so."""

    def audit(said: str, code: int = 1, report: str = "") -> supply_chain.Verdict:
        (tmp_path / "said").write_text(said)
        (tmp_path / "report").write_text(report)
        tool = f"cat {tmp_path}/report; cat {tmp_path}/said >&2; exit {code}"
        monkeypatch.setattr(supply_chain, "AUDITOR", ("sh", "-c", tool))
        return supply_chain.audit()

    return audit


TRACE = 'Traceback (most recent call last):\n  File "connectionpool.py", line 787, in urlopen\n'


@pytest.mark.parametrize(
    "said",
    [
        f"{TRACE}requests.exceptions.ConnectionError: HTTPSConnectionPool(host='pypi.org'): Max retries exceeded",
        f"{TRACE}requests.exceptions.ProxyError: HTTPSConnectionPool(host='pypi.org'): Tunnel connection failed",
        f"{TRACE}requests.exceptions.ReadTimeout: HTTPSConnectionPool(host='pypi.org'): Read timed out.",
        "ERROR:pip_audit._cli:Could not connect to PyPI's vulnerability feed\n"
        "ERROR:pip_audit._cli:Tip: your network may be blocking this service. Try another service with `-s SERVICE`",
    ],
)
def test_a_database_out_of_reach_is_said(audits: Callable[..., supply_chain.Verdict], said: str) -> None:
    verdict = audits(said)
    assert verdict.code == 0
    assert verdict.lines[0].startswith("NOT AUDITED: the database of holes cannot be reached from here (")


def test_the_real_tool_says_so_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind a proxy that is not there; and with a list that it refuses before it asks anybody."""
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(supply_chain, "ROOT", tmp_path)
    monkeypatch.setattr(supply_chain, "AUDITED", ("listed.txt",))
    listed = tmp_path / "listed.txt"
    listed.write_text(f"boto3==1.0.0 --hash=sha256:{'0' * 64}\n")
    out_of_reach = supply_chain.audit()
    assert out_of_reach.code == 0 and "cannot be reached" in out_of_reach.lines[0], out_of_reach
    listed.write_text("boto3==1.0.0\n")
    refused = supply_chain.audit()
    assert refused.code == 1 and "hash" in refused.lines[-1], refused


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("ERROR:pip_audit._cli:requirement boto3 does not match its hash: could not connect the two", 1),
        (f"{TRACE}requests.exceptions.ConnectionError: once\n{TRACE}\nKeyError: 'vulnerabilities'", 1),
        (f"{TRACE}requests.exceptions.SSLError: certificate verify failed", 1),
        (f"{TRACE}pip_audit._service.interface.ServiceError", 1),
        ("/usr/bin/python: No module named pip_audit", 1),
        ("usage: pip-audit [-h]", 2),
        ("", 137),
    ],
)
def test_every_other_failure_of_the_audit_is_an_error(
    audits: Callable[..., supply_chain.Verdict], said: str, code: int
) -> None:
    verdict = audits(said, code)
    assert verdict.code == 1
    assert verdict.lines[0] == f"pip-audit failed with exit code {code}"
    assert (said.splitlines() or ["it says nothing"])[-1] in verdict.lines[-1]


def test_a_report_of_a_tool_that_failed_does_not_count(audits: Callable[..., supply_chain.Verdict]) -> None:
    report = json.dumps({"dependencies": [package("a")]})
    assert audits("", 0, report).code == 0
    assert audits("killed", 137, report).code == 1


def test_the_bill_of_materials_names_every_package_with_its_hashes(tmp_path: Path) -> None:
    bill = json.loads(bill_of_materials(tmp_path).read_text())
    listed = re.findall(r"^([a-z0-9_.-]+)==(\S+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    assert {(one["name"], one["version"]) for one in bill["components"]} == set(listed)
    assert bill["bomFormat"] == "CycloneDX"
    assert all(any(reference.get("hashes") for reference in one["externalReferences"]) for one in bill["components"]), (
        "a component without a hash"
    )
