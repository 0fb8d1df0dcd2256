"""Our own packages as one archive, for executors on other machines."""

from __future__ import annotations

import atexit
import shutil
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""Where the packages lie."""


def packed(packages: Iterable[str]) -> str:
    """The path of a zip archive of these packages, gone when this process ends."""
    folder = tempfile.mkdtemp(prefix="packages-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    archive = Path(folder) / "packages.zip"
    with zipfile.ZipFile(archive, "w") as files:
        for path in sorted(path for package in packages for path in (ROOT / package).rglob("*.py")):
            files.write(path, path.relative_to(ROOT))
    return str(archive)
