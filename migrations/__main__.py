"""`python -m migrations`: brings the schema at MYSQL_LOC up to date, with the service's own settings of the database.

Exit code 0: up to date (or newer); 1: it could not be done, one line says why, and running again goes on from there;
2: a setting is missing or wrong.
"""

from __future__ import annotations

import logging
import os
import sys

from sqlalchemy.exc import DBAPIError

from migrations import upgrade
from migrations.runner import located
from pipeline.runtime.errors import PipelineError


def main() -> int:
    """Run; returns the exit code."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("migrations").setLevel(logging.INFO)
    try:
        upgrade(located(os.environ))
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
