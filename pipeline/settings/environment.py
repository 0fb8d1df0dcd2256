"""The environment variables as settings are read from them: values, and what one says in another's place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from pipeline.mysql.location import MysqlLocation, parse_mysql_location

ENDPOINTS = "AWS_ENDPOINT_URL"
"""Start of the names of the variables that send a client to another address than AWS's own."""

_YES = frozenset({"1", "on", "t", "true", "y", "yes"})
"""What pydantic reads as true."""


def position_of(text: object) -> str | datetime:
    """TRIM_HORIZON, LATEST or an aware moment. Raises `ValueError`."""
    if str(text).upper() in ("TRIM_HORIZON", "LATEST"):
        return str(text).upper()
    try:
        moment = datetime.fromisoformat(str(text))
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("is neither TRIM_HORIZON nor LATEST nor an ISO 8601 time stamp") from None


def location_of(given: object) -> MysqlLocation:
    """The location that a URL says. Raises `ValueError`."""
    return given if isinstance(given, MysqlLocation) else parse_mysql_location(str(given))


def completed(environ: Mapping[str, str]) -> dict[str, object]:
    """The variables that are not empty, with what one of them may say in another's place."""
    given: dict[str, object] = {name: value for name, value in environ.items() if value.strip()}
    if "AWS_REGION" in given:
        given.setdefault("AWS_DEFAULT_REGION", given["AWS_REGION"])
    ignored = environ.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() == "true"
    found = sorted(name for name in given if re.fullmatch(rf"{ENDPOINTS}(_[A-Z0-9_]+)?", name))
    given[f"{ENDPOINTS}*"] = () if ignored else tuple((name, environ[name].strip()) for name in found)
    for name in ("MYSQL_USER", "MYSQL_PASS") if "MYSQL_SECRET_ID" in given else ():
        given.setdefault(name, "")
    if str(given.get("MYSQL_IAM", "")).strip().lower() in _YES:
        given.setdefault("MYSQL_PASS", "")
    try:
        place = parse_mysql_location(environ.get("MYSQL_LOC", ""))
    except ValueError:
        return given  # validation says so again, with the rest
    if place.user and given.get("MYSQL_USER", place.user) == place.user:
        given.setdefault("MYSQL_USER", place.user)
        if place.password:
            given.setdefault("MYSQL_PASS", place.password)
    return given
