"""What the image is made of: known holes in it, and a bill of materials. `python -m scripts.supply_chain [FOLDER]`.

Exit code 1 where a package has a known hole, and where the audit fails: a hash that does not fit, a package that the
database does not know, a database that answers nonsense. Only where it cannot be reached at all the build goes on, and
the report says so, since an audit that looked at nothing is none.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
LIST = "requirements.txt"
AUDITED = ("requirements-market.txt", "requirements-training.txt")
"""What the market's programs and those with tables and models need: all of the money's and the analytics' and more."""
AUDITOR = (
    *(sys.executable, "-m", "pip_audit", "--format=json", "--progress-spinner=off", "--timeout=10"),
    *("--disable-pip", "--require-hashes"),
)
OUT_OF_REACH = re.compile(
    r"requests\.exceptions\.(ConnectionError|ConnectTimeout|ReadTimeout|ProxyError)\b"
    r"|ERROR:.*:Could not connect to PyPI\b"
)
"""What pip-audit ends with where it gets no answer. Not SSLError, which is an answer of somebody else."""
UNKNOWN = "Dependency not found on PyPI"
"""Of every package: what stands in the database's place here is a mirror of packages."""


class Verdict(NamedTuple):
    """`lines`: the report. `code`: 1 where there is a known hole, or may be one."""

    lines: list[str]
    code: int


def judged(report: Mapping[str, Any]) -> Verdict:
    """What pip-audit's JSON comes to."""
    packages: Sequence[Mapping[str, Any]] = report["dependencies"]
    skipped = [one for one in packages if "skip_reason" in one]
    holes = [
        f"{one['name']} {one['version']}: {hole['id']}, mended in {', '.join(hole['fix_versions']) or 'no version'}"
        for one in packages
        for hole in one.get("vulns", [])
    ]
    if packages and all(one.get("skip_reason", "").startswith(UNKNOWN) for one in packages):
        return Verdict([f"NOT AUDITED: the database of holes knows none of {len(packages)} packages from here"], 0)
    lines = [f"{len(packages) - len(skipped)} packages audited, {len(holes)} known holes", *holes]
    left = [f"NOT AUDITED: {one['name']}: {one['skip_reason']}" for one in skipped]
    return Verdict([*lines, *left], int(bool(holes or skipped or not packages)))


def audit() -> Verdict:
    """Ask pip-audit about every package of the services, the money's and the analytics'."""
    lists = [part for name in AUDITED for part in ("-r", str(ROOT / name))]
    asked = subprocess.run([*AUDITOR, *lists], capture_output=True, text=True)
    if asked.returncode in (0, 1) and asked.stdout.startswith("{"):
        return judged(json.loads(asked.stdout))
    said = asked.stderr.strip().splitlines() or ["it says nothing"]
    if any(OUT_OF_REACH.match(line) for line in said[-2:]):
        return Verdict([f"NOT AUDITED: the database of holes cannot be reached from here ({said[-1][:120]})"], 0)
    return Verdict([f"pip-audit failed with exit code {asked.returncode}", *(line[:200] for line in said[-5:])], 1)


def bill_of_materials(folder: Path) -> Path:
    """Write the packages of the service as CycloneDX, which the tool checks against its schema; the file."""
    folder.mkdir(parents=True, exist_ok=True)
    bill = folder / "sbom.cdx.json"
    command = [sys.executable, "-m", "cyclonedx_py", "requirements", str(ROOT / LIST)]
    options = ["--output-reproducible", "--validate", "--output-file", str(bill)]
    subprocess.run([*command, *options], check=True, capture_output=True)
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
