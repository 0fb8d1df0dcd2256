"""Whether what driver and executors say to each other stays between them, as far as can be told without Spark."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path

from pipeline.console.finding import Finding, fail, ok, warn
from pipeline.runtime.errors import Halted
from pipeline.settings.spark import SparkSettings
from pipeline.spark.secrecy import REMEDY, is_in_clear, secrecy

_PROPERTY = re.compile(r"\s*(spark\.[^\s=:]+)(?:\s*[=:]\s*|\s+)(.*?)\s*")


def check_spark(settings: SparkSettings, environ: Mapping[str, str]) -> Iterator[Finding]:
    """The cluster, and whether it is spoken to in clear. What is given to spark-submit alone is not seen from here."""
    given = configured(settings.spark_master, environ)
    master = given.setdefault("spark.master", "local[*]")
    if not is_in_clear({**secrecy(given), **given}):
        how = "on this machine" if master.startswith("local") else "authenticated and encrypted"
        yield ok("spark", f"{master}: {how}")
    elif settings.spark_allow_plaintext:
        yield warn("spark", f"{master}: passwords and card codes can be read on the way, as was allowed", REMEDY)
    else:
        yield fail("spark", f"{master}: the service does not send passwords and card codes in clear", REMEDY)


def configured(master: str | None, environ: Mapping[str, str]) -> dict[str, str]:
    """Spark's options: of spark-defaults.conf, SPARK_MASTER, PYSPARK_SUBMIT_ARGS, each over those before.

    Raises `Halted` where the file cannot be read.
    """
    own = {} if master is None else {"spark.master": master}
    return {**_defaults(environ), **own, **_submitted(environ.get("PYSPARK_SUBMIT_ARGS", ""))}


def _defaults(environ: Mapping[str, str]) -> dict[str, str]:
    folder = environ.get("SPARK_CONF_DIR") or (f"{environ['SPARK_HOME']}/conf" if environ.get("SPARK_HOME") else "")
    path = Path(folder) / "spark-defaults.conf"
    if not folder or not path.exists():
        return {}
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise Halted(f"{path}: {type(error).__name__}") from error
    return {found[1]: found[2] for line in lines if (found := _PROPERTY.fullmatch(line))}


def _submitted(arguments: str) -> dict[str, str]:
    given: dict[str, str] = {}
    try:
        words = shlex.split(arguments)
    except ValueError as error:
        raise Halted(f"PYSPARK_SUBMIT_ARGS: {error}") from error
    for option, value in pairwise(words):
        if option == "--master":
            given["spark.master"] = value
        elif option in ("--conf", "-c"):
            given.update([value.partition("=")[::2]])
    return given
