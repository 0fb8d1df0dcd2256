"""What the image is made of: known holes in it, and a bill of materials. `python -m scripts.supply_chain [FOLDER]`.

Exit code 1 where a package has a known hole. Where the database of holes cannot be reached, the report says so, since
an audit that looked at nothing is none.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
LIST = "requirements.txt"
TOOLS = Path(sys.executable).parent


class Verdict(NamedTuple):
    """`lines`: the report. `code`: 1 where there is a known hole."""

    lines: list[str]
    code: int


def judged(report: Mapping[str, Any]) -> Verdict:
    """What pip-audit's JSON comes to."""
    packages: Sequence[Mapping[str, Any]] = report["dependencies"]
    skipped = [one["name"] for one in packages if "skip_reason" in one]
    holes = [
        f"{one['name']} {one['version']}: {hole['id']}, mended in {', '.join(hole['fix_versions']) or 'no version'}"
        for one in packages
        for hole in one.get("vulns", [])
    ]
    if packages and len(skipped) == len(packages):
        return Verdict([f"NOT AUDITED: the database of holes knows none of {len(packages)} packages from here"], 0)
    lines = [f"{len(packages) - len(skipped)} packages audited, {len(holes)} known holes", *holes]
    return Verdict([*lines, *(f"NOT AUDITED: {name}" for name in skipped)], int(bool(holes)))


def audit() -> Verdict:
    """Ask pip-audit about every package of the service."""
    command = [str(TOOLS / "pip-audit"), "--format=json", "--progress-spinner=off", "--disable-pip", "--require-hashes"]
    asked = subprocess.run([*command, "--timeout=10", "-r", str(ROOT / LIST)], capture_output=True, text=True)
    if not asked.stdout.startswith("{"):
        why = (asked.stderr.strip().splitlines() or ["it says nothing"])[-1]
        return Verdict([f"NOT AUDITED: the database of holes cannot be reached from here ({why[:120]})"], 0)
    return judged(json.loads(asked.stdout))


def bill_of_materials(folder: Path) -> Path:
    """Write the packages of the service as CycloneDX, which the tool checks against its schema; the file."""
    folder.mkdir(parents=True, exist_ok=True)
    bill = folder / "sbom.cdx.json"
    command = [str(TOOLS / "cyclonedx-py"), "requirements", str(ROOT / LIST), "--output-reproducible", "--validate"]
    subprocess.run([*command, "--output-file", str(bill)], check=True, capture_output=True)
    return bill


def main() -> int:
    """Report on stdout; the exit code."""
    verdict = audit()
    bill = bill_of_materials(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / ".cache")
    components = len(json.loads(bill.read_text())["components"])
    for line in [*verdict.lines, f"bill of materials: {components} components in {bill}"]:
        sys.stdout.write(f"supply chain: {line}\n")
    return verdict.code


if __name__ == "__main__":
    sys.exit(main())
