"""What goes between Spark's processes: tasks carry passwords, records the codes of cards.

Pure, on Spark's options by their names (https://spark.apache.org/docs/latest/security.html).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

SECRET: Final = "spark.authenticate.secret"  # noqa: S105 - its name
ENCRYPTED: Final = {"spark.authenticate": "true", "spark.network.crypto.enabled": "true"}
_CIPHERS: Final = ("spark.network.crypto.enabled", "spark.authenticate.enableSaslEncryption")
REMEDY: Final = (
    f"give Master, Workers and driver one {SECRET} (docs/operations.md, Security), or, where the network is your own, "
    "set SPARK_ALLOW_PLAINTEXT=true"
)


def secrecy(options: Mapping[str, str]) -> dict[str, str]:
    """The options that authenticate and encrypt, where there is a secret to do that with.

    Spark makes one for each application, but not in a standalone cluster: that has one if it was given one.
    """
    alone = options.get("spark.master", "").startswith("spark://")
    return ENCRYPTED if SECRET in options or not alone else {}


def is_in_clear(options: Mapping[str, str]) -> bool:
    """Whether somebody on the network between driver and executors reads what they say. `options`: all of them."""
    if re.fullmatch(r"local(\[.*\])?", options.get("spark.master", "local")):
        return False
    return not _is(options, "spark.ssl.rpc.enabled") and not (
        _is(options, "spark.authenticate") and any(_is(options, cipher) for cipher in _CIPHERS)
    )


def _is(options: Mapping[str, str], name: str) -> bool:
    return options.get(name, "false").strip().lower() == "true"
