"""The manifests as a cluster would get them, and what else in k8s/ they have to agree with."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.processes import Missing

ROOT = Path(__file__).resolve().parents[2]
K8S = ROOT / "k8s"
KUBECTL = ROOT / ".cache" / "kubectl"
MIB, GIB = 2**20, 2**30
UNITS = {"Mi": MIB, "Gi": GIB, "m": MIB, "g": GIB}

Manifest = dict[str, Any]


def kustomized(folder: Path) -> list[Manifest]:
    """What `kubectl apply -k` would send. Raises `Missing` without kubectl, AssertionError where it finds a mistake."""
    if not KUBECTL.exists():
        raise Missing("kubectl is missing: run `make setup`")
    built = subprocess.run([KUBECTL, "kustomize", folder], capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    return list(yaml.safe_load_all(built.stdout))


@cache
def overlay(name: str) -> tuple[Manifest, ...]:
    """An overlay of ours, by the name of its folder."""
    return tuple(kustomized(K8S / "overlays" / name))


def the(kind: str, name: str, manifests: tuple[Manifest, ...] | list[Manifest]) -> Manifest:
    """The one manifest of that kind and name; a generated name counts without its hash."""
    (found,) = [
        one
        for one in manifests
        if one["kind"] == kind and re.fullmatch(rf"{name}(-[a-z0-9]{{10}})?", one["metadata"]["name"])
    ]
    return found


def driver(manifests: tuple[Manifest, ...]) -> Manifest:
    """The specification of the driver's pod."""
    pod: Manifest = the("Deployment", "bank-stream", manifests)["spec"]["template"]["spec"]
    return pod


def executor(manifests: tuple[Manifest, ...]) -> Manifest:
    """The template of an executor's pod, as the driver reads it."""
    template: Manifest = yaml.safe_load(the("ConfigMap", "spark", manifests)["data"]["executor.yaml"])
    return template


def environment(container: Manifest) -> dict[str, str]:
    """The variables of a container that have a value of their own."""
    return {one["name"]: one["value"] for one in container["env"] if "value" in one}


def spark_defaults(manifests: tuple[Manifest, ...]) -> dict[str, str]:
    """spark-defaults.conf, read as Spark reads it."""
    lines = the("ConfigMap", "spark", manifests)["data"]["spark-defaults.conf"].splitlines()
    pairs = [line.split(None, 1) for line in lines if line.strip() and not line.startswith("#")]
    return {name: value.strip() for name, value in pairs}


def bytes_of(quantity: str) -> int:
    """Memory as Kubernetes (Mi, Gi) or Spark (m, g) writes it."""
    number, unit = re.fullmatch(r"(\d+)(Mi|Gi|m|g)", quantity).groups()  # type: ignore[union-attr]
    return int(number) * UNITS[unit]


def seconds_of(duration: str) -> int:
    """Spark's `930s`."""
    return int(duration.removesuffix("s"))


def scraped(job: str) -> Manifest:
    """What Prometheus is told to ask, by the name of its job."""
    jobs: list[Manifest] = yaml.safe_load((K8S / "observability" / "scrape.yaml").read_text())["scrape_configs"]
    (found,) = [one for one in jobs if one["job_name"] == job]
    return found
