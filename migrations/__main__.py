"""`python -m migrations [yt]`: brings the schema at MYSQL_LOC up to date, with the service's own settings of the
database.

Without a word it is the money's schema, with `yt` that of the channel statistics, which is called so unless MYSQL_LOC
names another. Exit code 0: up to date (or newer); 1: it could not be done, one line says why, and running again goes on
from there; 2: a setting is missing or wrong.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys

from sqlalchemy.exc import DBAPIError

from migrations import BANK, upgrade
from migrations.runner import located
from migrations.yt import SCHEMA, YT
from pipeline.mysql.location import DEFAULT_SCHEMA
from pipeline.runtime.errors import PipelineError


def main() -> int:
    """Run; returns the exit code."""
    parser = argparse.ArgumentParser(
        "python -m migrations", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("schema", nargs="?", choices=("yt",), help="the channel statistics'")
    wanted = parser.parse_args().schema
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("migrations").setLevel(logging.INFO)
    try:
        where = located(os.environ, SCHEMA if wanted else DEFAULT_SCHEMA)
        upgrade(where, YT if wanted else BANK)
    except ValueError as error:
        logging.error("migrations: %s", error)
        return 2
    except PipelineError as error:
        logging.error("migrations: %s", error)
        return 1
    except DBAPIError as error:
        logging.error("migrations: %s", error.orig)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
