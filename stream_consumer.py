"""The service: consumes the bank's stream into its database.

Run it with `python stream_consumer.py`, the way in a container, or with spark-submit. SIGTERM and Ctrl-C finish the
batch in flight. Exit codes: 0 stopped, or caught up; 1 could not go on; 2 wrong settings.

Spark and the AWS and database libraries take seconds to load: that waits until the settings are known to be right.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from bank_stream.settings import Settings
from pipeline.console.process import exit_code

if TYPE_CHECKING:
    from pipeline.applying.domain import Domain
    from pipeline.runtime.stopping import StopSignal


def routes(settings: Settings) -> dict[str, Domain]:
    """Which domain understands which message type."""
    from card_transactions.consumer import CardTransactions
    from loans.consumer import Loans
    from stocks.consumer import Stocks
    from transactions.consumer import Transactions

    return {
        "transaction": Transactions(),
        "card_transaction": CardTransactions(settings.fraud_weights()),
        "loan_payment": Loans(),
        "stock": Stocks(),
    }


def consume(settings: Settings, stop: StopSignal, *, until_caught_up: bool, dry_run: bool = False) -> None:
    """Put the service together and run it. Raises `PipelineError`."""
    import migrations
    from bank.tables import BankStore
    from card_transactions.alerts import AlertSender, unsent
    from pipeline.dstream.dry_run import DryRun
    from pipeline.dstream.service import Service

    service = (DryRun if dry_run else Service)(settings, routes(settings), BankStore(), migrations.check, unsent)
    alerts = AlertSender(service.database.connect, settings.aws().client("ses"))
    service.run(stop, [alerts], until_caught_up=until_caught_up)


def main() -> int:
    """Consume, and say in one line why if that could not go on; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--until-caught-up", action="store_true", help="end when all that the stream holds is applied")
    parser.add_argument("--dry-run", action="store_true", help="only say what would become of what the stream holds")
    arguments = parser.parse_args()
    return exit_code(lambda stop: consume(Settings.read(os.environ), stop, **vars(arguments)))


if __name__ == "__main__":
    sys.exit(main())
