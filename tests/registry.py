"""A schema registry of a test's own, on 127.0.0.1 and a free port: Apicurio, with what it knows in memory.

    with registry(folder) as schemas: ...

What it is asked is Confluent's API, which other registries have as well; SCHEMA_REGISTRY_TEST_URL names one for the
suite.
"""

from __future__ import annotations

import os
import tarfile
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from tests.processes import Missing, Process, free_port, program
from tests.servers import HERE, ROOT

ARCHIVES: Final = ROOT / ".cache" / "jars" / "registry"
UNPACKED: Final = ROOT / ".cache" / "registry"
JAVA: Final = ("-Xms64m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")
API: Final = "/apis/ccompat/v7"


class Registry:
    """A private registry; `url` is for its clients."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"http://{HERE}:{self.port}{API}"
        command = [program("java", "openjdk-17-jre-headless"), *JAVA, f"-Dquarkus.http.host={HERE}"]
        command += [f"-Dquarkus.http.port={self.port}", "-Dquarkus.log.level=WARN", "-jar", str(_runner())]
        self.process = Process("registry", command, folder / "registry.log", self._answers, {}, folder)

    def start(self) -> None:
        """Start (again), on the same port and with nothing in it."""
        self.process.start()

    def kill9(self) -> None:
        """What it knew is gone."""
        self.process.kill9()

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/subjects", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


@contextmanager
def registry(folder: Path) -> Iterator[Registry]:
    """A registry with its log in `folder` (made where missing), ended with the context."""
    folder.mkdir(parents=True, exist_ok=True)
    private = Registry(folder.resolve())
    private.start()
    try:
        yield private
    finally:
        private.kill9()


def _runner() -> Path:
    """What Java starts; unpacked first where it is not, or where the archive is another one."""
    archives = sorted(ARCHIVES.glob("*.tar.gz"))
    if not archives:
        raise Missing("the schema registry is missing: run `make setup`, which fetches it into .cache/jars")
    home = UNPACKED / archives[-1].name.removesuffix(".tar.gz")
    if not home.exists():
        UNPACKED.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=UNPACKED) as new:
            with tarfile.open(archives[-1]) as archive:
                archive.extractall(new, filter="data")
            with suppress(OSError):  # another process was faster
                os.rename(new, home)  # noqa: PTH104 - Path.rename is the same
            Path(new).mkdir(exist_ok=True)
    return next(home.glob("**/*-runner.jar"))
