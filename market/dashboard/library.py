"""TradingView's Lightweight Charts, which `make setup` fetches (jars.lock): the script, out of its package."""

from __future__ import annotations

import re
import tarfile
from base64 import b64encode
from functools import cache
from hashlib import sha256
from typing import Final

from pipeline.runtime.errors import Fatal
from pipeline.runtime.packing import ROOT

FOLDER: Final = ROOT / ".cache" / "jars" / "dashboard"
_SCRIPT: Final = "package/dist/lightweight-charts.standalone.production.js"


@cache
def script() -> bytes:
    """Raises `Fatal` where it was not fetched."""
    packages = sorted(FOLDER.glob("lightweight-charts-*.tgz"))
    if not packages:
        raise Fatal(
            "the charts' library is not here: `make dashboard` fetches it, or python -m scripts.fetch_jars dashboard"
        )
    with tarfile.open(packages[-1]) as package:
        found = package.extractfile(_SCRIPT)
        if found is None:
            raise Fatal(f"{packages[-1].name} holds no {_SCRIPT}")
        return found.read()


def styles() -> list[str]:
    """Hashes of the styles that the script puts into a page, for its policy: that of the maker's mark."""
    found = re.findall(rb'innerText="([^"\\]+\{[^"\\]+)"', script())
    return [b64encode(sha256(style).digest()).decode() for style in found]
