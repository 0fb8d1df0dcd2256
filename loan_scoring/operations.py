"""Which commands look after loan scoring."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from loan_scoring.names import PREDICTIONS
from loan_scoring.settings import LoanSettings
from pipeline.lake.commands import HEADING, lake_commands
from pipeline.structured.operations.commands import commands

if TYPE_CHECKING:
    from pipeline.structured.service import Service


def _loans(settings: LoanSettings) -> Service:
    from loan_scoring.service import service

    return service(settings)


COMMANDS: Final = (
    commands(
        "loan-scoring",
        "Loan applications, scored into a table.",
        LoanSettings,
        _loans,
        {HEADING: lake_commands([PREDICTIONS])},
    ),
)
"""For `python -m pipeline`; models and scores: `python -m loan_scoring`."""
