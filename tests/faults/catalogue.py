"""Every fault that the tests, the chaos runner and the table know."""

from __future__ import annotations

from tests.faults import strikes_aws, strikes_database, strikes_process
from tests.faults.fault import Fault

FAULTS: dict[str, Fault] = {**strikes_process.FAULTS, **strikes_database.FAULTS, **strikes_aws.FAULTS}
