"""What the operators' commands are told of the money's service, and which commands look after it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bank_stream.settings import Settings
from pipeline.console.command_line import ServiceCommands
from pipeline.operations.commands import auditing, changing, comparing, looking
from pipeline.operations.description import Attempt, Books, Proof, ServiceDescription

if TYPE_CHECKING:
    from pipeline.operations.workbench import Workbench

NOTED = "UPDATE operations_log SET counts = counts WHERE 1 = 0"
AUDITED = "INSERT INTO audits SELECT * FROM audits WHERE 1 = 0"
BALANCED = "INSERT INTO {0} SELECT * FROM {0} AS b WHERE 1 = 0 ON DUPLICATE KEY UPDATE opening = 0"
SCRUBBED = "UPDATE card_transactions SET pin = NULL, cvc1 = NULL, cvc2 = NULL WHERE 1 = 0"
NO_ALERT = "a potential fraud without an alert that says the same"
NO_FRAUD = "no potential fraud accounts for it"
ACTIVE = "a potential fraud of an account that is active"


def describe(settings: Settings) -> ServiceDescription:
    """The bank as the service itself has it."""
    import migrations
    import stream_consumer
    from bank import books, frauds, statuses, tables
    from card_transactions.alerts import SENDER, unsent
    from pipeline.applying.culprits import REFUSED, UNFORESEEN

    nothing = ("[]",)
    return ServiceDescription(
        routes=stream_consumer.routes(settings),
        store=tables.BankStore(),
        check_schema=migrations.check,
        attempts=(
            Attempt("cards", "SELECT, and LOCK TABLES on the schema", tables.LOCK_CARDS, nothing),
            Attempt("accounts", "SELECT, UPDATE", tables.LOCK_ACCOUNTS, (0, *nothing)),
            Attempt("accounts", "SELECT, UPDATE", tables.SAVE_ACCOUNTS, nothing),
            Attempt("loans", "SELECT, UPDATE", tables.LOCK_LOANS, (0, *nothing)),
            Attempt("loans", "SELECT, UPDATE", tables.SAVE_LOANS, nothing),
            Attempt("users", "SELECT", "SELECT email, first_name FROM users WHERE 1 = 0"),
            Attempt("fraud_alerts", "SELECT, INSERT, UPDATE", "UPDATE fraud_alerts SET sent_at = sent_at WHERE 1 = 0"),
            Attempt("operations_log", "SELECT, INSERT, UPDATE", NOTED, operators=True),
            Attempt("audits", "SELECT, INSERT", AUDITED, operators=True),
            *(
                Attempt(table, "SELECT, INSERT, UPDATE", BALANCED.format(table), operators=True)
                for table in ("audit_balances", "audit_loan_balances")
            ),
            Attempt("card_transactions", "UPDATE (pin, cvc1, cvc2)", SCRUBBED, operators=True),
        ),
        unsent=unsent,
        sender=SENDER,
        scrubbed=("card_transactions", ("pin", "cvc1", "cvc2")),
        after_reading=frozenset(
            (
                *(statuses.NO_ACCOUNT, statuses.NO_MERCHANT, statuses.NO_LOAN, statuses.BALANCE_OVERFLOW),
                *(REFUSED, UNFORESEEN),
            )
        ),
        kept_whole=frozenset({"transaction", "loan_payment", "stock"}),
        books=(
            Books("account", "accounts", "audit_balances", books.MOVED_ACCOUNTS),
            Books("loan", "loans", "audit_loan_balances", books.MOVED_LOANS),
        ),
        proofs=(
            Proof("alert_missing", NO_ALERT, "card_transactions", frauds.WITHOUT_ALERT),
            Proof("alert_invented", NO_FRAUD, "fraud_alerts", frauds.WITHOUT_FRAUD),
            Proof("account_active", ACTIVE, "fraud_alerts", frauds.STILL_ACTIVE, declared=True),
        ),
    )


def workbench(settings: Settings) -> Workbench:
    """The service's own parts. Loads the libraries of AWS and of the database, which takes a second."""
    from pipeline.operations.workbench import Workbench

    return Workbench(settings, describe(settings))


_MONEY: Final = ServiceCommands(
    name="",
    summary="The money.",
    settings=Settings,
    workbench=workbench,
    commands={
        "Look": (looking.check, looking.status, looking.letters, looking.log),
        "Hold against each other": (auditing.audit, comparing.compare),
        "Change": (
            changing.redrive,
            changing.replay,
            changing.purge,
            changing.accept_loss,
            changing.release,
            changing.scrub,
        ),
    },
)

COMMANDS: Final = (_MONEY,)
