"""Fetches the jars of jars.lock into .cache/jars, a folder for each section. `python -m scripts.fetch_jars SECTION...`

Each file is checked by its SHA-256 and appears under its name once it is whole; what is there already is not fetched.
What is no jar says so behind an `@`, as `@tar.gz`. They come from Maven Central, or from where this machine's Maven is
told to fetch them: the environment variable MAVEN_REPOSITORY (an address), or a mirror of `central` in
~/.m2/settings.xml or /etc/maven/settings.xml. What the lock calls `npm:name:version` is no jar but a package (.tgz) of
the npm registry, or of what NPM_CONFIG_REGISTRY names.

Exit codes: 0 all are there; 1 one could not be had, or is another file than the lock says; 2 no such section.
"""

from __future__ import annotations

import hashlib
import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import NamedTuple
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "jars.lock"
FOLDER = ROOT / ".cache" / "jars"
CENTRAL = "https://repo1.maven.org/maven2"
NPM = "https://registry.npmjs.org"
SETTINGS = (Path.home() / ".m2" / "settings.xml", Path("/etc/maven/settings.xml"))
AT_ONCE = 4
ATTEMPTS = 4
TIMEOUT = 60.0
"""Seconds without a byte, then the attempt is given up."""


class Refused(RuntimeError):
    """A jar cannot be had, or is not the one that the lock names."""


class Jar(NamedTuple):
    """One line of the lock: a jar, or a package of npm."""

    coordinates: str
    sha256: str

    @property
    def of_npm(self) -> bool:
        """Whether it is a package of npm."""
        return self.coordinates.startswith("npm:")

    @property
    def name(self) -> str:
        """The file's name."""
        coordinates, _, kind = self.coordinates.partition("@")
        _, *rest = coordinates.split(":")
        return f"{'-'.join(rest)}.{kind or ('tgz' if self.of_npm else 'jar')}"

    @property
    def path(self) -> str:
        """Where it lies in a repository."""
        group, artifact, version, *_ = self.coordinates.partition("@")[0].split(":")
        if self.of_npm:
            return f"{artifact}/-/{self.name}"
        return f"{group.replace('.', '/')}/{artifact}/{version}/{self.name}"


def read_lock(text: str) -> dict[str, list[Jar]]:
    """Section → its jars. Raises `Refused` for a line that is none."""
    sections: dict[str, list[Jar]] = {}
    jars: list[Jar] = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or line.startswith("#"):
            continue
        if line.startswith("["):
            jars = sections.setdefault(line.strip("[] "), [])
        elif len(words) == 2 and words[0].count(":") in (2, 3) and len(words[1]) == 64:
            jars.append(Jar(*words))
        else:
            raise Refused(f"line {number} of the lock is not group:artifact:version[:classifier] and a SHA-256")
    return sections


def registry(environment: Mapping[str, str]) -> str:
    """The address of npm's registry, without a slash at its end."""
    return (environment.get("NPM_CONFIG_REGISTRY") or NPM).rstrip("/")


def repository(environment: Mapping[str, str], settings: Iterable[Path]) -> str:
    """The address of the repository, without a slash at its end."""
    if given := environment.get("MAVEN_REPOSITORY"):
        return given.rstrip("/")
    for file in settings:
        if file.exists() and (mirror := mirror_of_central(file.read_text())):
            return mirror.rstrip("/")
    return CENTRAL


def mirror_of_central(settings: str) -> str | None:
    """The first mirror in Maven's settings that stands for `central`."""
    for mirror in ElementTree.fromstring(settings).iter():  # noqa: S314 - a file of this machine's own
        if _local(mirror.tag) != "mirror":
            continue
        values = {_local(child.tag): (child.text or "").strip() for child in mirror}
        of = {part.strip() for part in values.get("mirrorOf", "").split(",")}
        if "!central" not in of and of & {"*", "central", "external:*"} and values.get("blocked") != "true":
            return values.get("url") or None
    return None


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def missing(jars: Iterable[Jar], folder: Path) -> list[Jar]:
    """Those that are not there as the lock has them."""
    return [jar for jar in jars if _hash_of(folder / jar.name) != jar.sha256]


def _hash_of(file: Path) -> str | None:
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.exists() else None


def fetch(jar: Jar, source: str, folder: Path) -> int:
    """Fetch one, or take it from another section; its size in bytes. Raises `Refused`."""
    elsewhere = [file for file in folder.parent.glob(f"*/{jar.name}") if _hash_of(file) == jar.sha256]
    data = elsewhere[0].read_bytes() if elsewhere else _download(f"{source}/{jar.path}", jar.coordinates)
    found = hashlib.sha256(data).hexdigest()
    if found != jar.sha256:
        raise Refused(f"{jar.coordinates} has the SHA-256 {found}, and not the one in jars.lock")
    with NamedTemporaryFile(dir=folder, prefix=".", suffix=".part", delete=False) as part:
        part.write(data)
    Path(part.name).chmod(0o644)
    Path(part.name).replace(folder / jar.name)
    return len(data)


def _download(url: str, coordinates: str) -> bytes:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:  # noqa: S310 - the repository's address
                return bytes(answer.read())
        except (urllib.error.URLError, OSError) as error:
            if attempt == ATTEMPTS or (isinstance(error, urllib.error.HTTPError) and error.code in (401, 403, 404)):
                raise Refused(f"{coordinates} cannot be fetched: {error}") from None
        time.sleep(2**attempt / 2)
    raise AssertionError("unreachable")


def fetch_section(name: str, jars: Sequence[Jar], source: str, folder: Path, packages: str = NPM) -> None:
    """Make `folder` hold the section's files and nothing else. `packages`: npm's registry. Raises `Refused`."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = missing(jars, folder)
    done = size = 0
    with ThreadPoolExecutor(AT_ONCE) as together:
        tasks = [together.submit(fetch, jar, packages if jar.of_npm else source, folder) for jar in wanted]
        for result in as_completed(tasks):
            size += result.result()
            done += 1
            _show(f"setup: files for {name}: {done} of {len(wanted)}, {size / 1e6:.1f} MB", last=done == len(wanted))
    for stranger in {file.name for file in folder.glob("[!.]*")} - {jar.name for jar in jars}:
        (folder / stranger).unlink()


def _show(line: str, *, last: bool) -> None:
    """On a terminal one line that counts up, elsewhere its end only."""
    if sys.stdout.isatty():
        sys.stdout.write(f"\r{line}{chr(10) if last else ''}")
    elif last:
        sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(names: Sequence[str]) -> int:
    """Fetch these sections; the exit code."""
    try:
        sections = read_lock(LOCK.read_text())
        unknown = set(names) - sections.keys()
        if unknown or not names:
            sys.stderr.write(f"usage: python -m scripts.fetch_jars SECTION..., of {', '.join(sections)}\n")
            return 2
        source = repository(os.environ, SETTINGS)
        for name in names:
            fetch_section(name, sections[name], source, FOLDER / name, registry(os.environ))
    except Refused as error:
        sys.stderr.write(f"setup: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
