"""The image: what its files say. What its steps do is tried by k8s/bin/try-image, which takes an engine's place."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.deploy.manifests import ROOT, driver, overlay, spark_defaults

TOOLS = Path(sys.executable).parent
DOCKERFILE = (ROOT / "Dockerfile").read_text()
PIN = re.compile(r"^([a-z0-9_.-]+)==(\S+)", re.MULTILINE)


def test_hadolint_finds_nothing() -> None:
    found = subprocess.run([TOOLS / "hadolint", ROOT / "Dockerfile"], capture_output=True, text=True)
    assert (found.returncode, found.stdout) == (0, "")


def test_every_base_is_an_exact_tag_and_sparks_is_the_one_that_is_tested() -> None:
    bases = set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE))
    (version,) = re.findall(r"^ARG SPARK_VERSION=(\S+)$", DOCKERFILE, re.MULTILINE)
    assert bases == {
        "apache/spark:${SPARK_VERSION}-scala2.13-java17-python3-ubuntu",
        "python:3.11.14-slim-bookworm",
    }
    assert dict(PIN.findall((ROOT / "requirements.txt").read_text()))["pyspark"] == version


def test_the_image_has_the_services_packages_with_hashes_and_sparks_own_pyspark() -> None:
    service = dict(PIN.findall((ROOT / "requirements.txt").read_text()))
    text = (ROOT / "requirements-image.txt").read_text()
    assert dict(PIN.findall(text)) == {name: pin for name, pin in service.items() if name not in ("pyspark", "py4j")}
    assert all("--hash=sha256:" in entry for entry in re.split(r"\n(?=[a-z])", text.split("\n\n")[0])[1:])


def test_the_context_holds_the_service_and_nothing_else() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert lines[1] == "*"
    let_in = {line.removeprefix("!") for line in lines if line.startswith("!")}
    packages = {"pipeline", "bank", "bank_stream", "transactions", "card_transactions", "loans", "stocks", "migrations"}
    assert let_in == {*packages, "stream_consumer.py", "alembic.ini", "requirements-image.txt"}


def test_what_executors_run_when_decommissioned_is_there_only_if_they_are() -> None:
    """Spark's default for the script of its preStop hook is /opt/decom.sh."""
    decommissioned = spark_defaults(overlay("fargate")).get("spark.decommission.enabled", "false") == "true"
    assert ("/opt/decom.sh" in DOCKERFILE) == decommissioned


def test_the_manifest_starts_what_the_image_starts() -> None:
    """Without Spark's entrypoint, of which nothing is known here: only executors go through it."""
    (command,) = re.findall(r"^CMD \[(.*)\]$", DOCKERFILE, re.MULTILINE)
    container = driver(overlay("fargate"))["containers"][0]
    assert [part.strip(' "') for part in command.split(",")] == container["command"] + container["args"]
    assert re.findall(r"^USER (.*)$", DOCKERFILE, re.MULTILINE)[-1] == "185:185"
