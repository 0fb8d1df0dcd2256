"""The sender of fraud mails: from the outbox `fraud_alerts` to the owners of the accounts, by SES."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import structlog
from botocore.exceptions import BotoCoreError, ClientError

from card_transactions.mails import Mail, fraud_mail
from pipeline.aws import error_code
from pipeline.mysql.database import ServerError, translated
from pipeline.runtime.background import GoingOn
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.pace import OnceAMinute

SENDER = "noreply@utopia-financial.com"
MOST_ATTEMPTS = 5
PAUSE_SECONDS = 5.0
MAILS_A_ROUND = 50
"""Between two pauses: with them 10 mails a second at most. SES takes 14 from a new account, and throttles beyond."""
REFUSALS = frozenset({"MessageRejected", "InvalidParameterValue"})
"""SES's codes for what is wrong with one mail (https://docs.aws.amazon.com/ses/latest/APIReference/API_SendEmail.html)."""

_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")

# The pause after failed attempt n is 4^(n-1) minutes: 1, 4, 16, 64.
_CLAIM = """
    SELECT id, accounts_id, transfer_value, memo, time_stamp, attempts FROM fraud_alerts
    WHERE sent_at IS NULL AND parked_at IS NULL
      AND (last_attempt_at IS NULL OR last_attempt_at <= UTC_TIMESTAMP(6) - INTERVAL POW(4, attempts - 1) MINUTE)
    ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED"""
_UNSENT = "SELECT COUNT(parked_at), COUNT(*) FROM fraud_alerts WHERE sent_at IS NULL"
_OWNER = "SELECT u.email, u.first_name FROM accounts a JOIN users u ON u.id = a.users_id WHERE a.id = %s"
_SENT = "UPDATE fraud_alerts SET sent_at = UTC_TIMESTAMP(6) WHERE id = %s AND sent_at IS NULL"
# Said again where the answer to a COMMIT was lost, they change nothing more.
_FAILED = """
    UPDATE fraud_alerts SET attempts = attempts + 1, last_attempt_at = UTC_TIMESTAMP(6)
    WHERE id = %s AND attempts = %s"""
_PARKED = """
    UPDATE fraud_alerts SET attempts = attempts + 1, last_attempt_at = UTC_TIMESTAMP(6), parked_at = UTC_TIMESTAMP(6)
    WHERE id = %s AND attempts = %s"""

_log = structlog.get_logger(__name__)

Connect = Callable[[], Any]
"""A new mysql-connector connection without autocommit; raises `PipelineError` where there is none."""


@dataclass(frozen=True, slots=True)
class Alert:
    """One row of the outbox; the time stamp is UTC, the amount in dollars."""

    id: int
    account: int
    amount: Decimal
    memo: str
    time_stamp: datetime
    attempts: int


@dataclass(slots=True)
class Sent:
    """One round: mails sent, mails that failed and wait, mails that failed for the last time.

    `outage`: why SES could take no mail at all, which ended the round and counts against no mail.
    """

    sent: int = 0
    failed: int = 0
    parked: int = 0
    outage: str = ""


class _Refused(Exception):
    """SES, or the want of an address, refuses this mail; others may go."""


class Outbox:
    """The rows of `fraud_alerts` as one sender sees them. `connect`: to the database.

    What became of a mail is noted right after it was sent, on a new connection if its own has gone. Where that fails as
    well (the disk is full; a connection that was lost still holds the lock) it is remembered, and noted before any
    other mail is sent: only the end of this process in between repeats a mail.
    """

    def __init__(self, connect: Connect) -> None:
        self.connect = connect
        self._unnoted: dict[int, tuple[str, Sequence[object]]] = {}

    def settle(self, connection: Any) -> None:
        """Note what could not be noted before. Raises `PipelineError`."""
        for alert, (statement, parameters) in list(self._unnoted.items()):
            _commit(connection, statement, parameters)
            del self._unnoted[alert]

    def note(self, connection: Any, alert: Alert, statement: str, *more: object) -> None:
        """Note what became of a mail; `more`: what the statement asks for behind its id.

        Raises `PipelineError` where `connection` has failed.
        """
        self._unnoted[alert.id] = statement, (alert.id, *more)
        try:
            self.settle(connection)
        except PipelineError:
            # The server may have closed an idle connection while SES was slow.
            with suppress(*ServerError):
                connection.close()
            with closing(self.connect()) as another:
                self.settle(another)
            raise


def send_waiting(outbox: Outbox, ses: Any, limit: int, stop: threading.Event | None = None) -> Sent:
    """Send at most `limit` waiting mails, one transaction each; end early on `stop`, an outage, or an empty outbox.

    A row stays locked while its mail is sent, and is noted right after. A crash in between repeats that one mail; none
    is lost. Raises `PipelineError` where the database fails.
    """
    tally = Sent()
    with closing(outbox.connect()) as connection:
        outbox.settle(connection)
        for _ in range(limit):
            if stop is not None and stop.is_set():
                break
            alert = _claim(connection)
            if alert is None or not _settle(outbox, connection, ses, alert, tally):
                break
    return tally


def unsent(connection: Any) -> dict[str, int]:
    """How many mails are waiting and how many parked. Raises `PipelineError` where the database fails."""
    ((parked, unsent_),) = _query(connection, _UNSENT)
    return {"waiting": unsent_ - parked, "parked": parked}


def _claim(connection: Any) -> Alert | None:
    rows = _query(connection, _CLAIM)
    return Alert(*rows[0]) if rows else None


def _settle(outbox: Outbox, connection: Any, ses: Any, alert: Alert, tally: Sent) -> bool:
    """Send one mail and note what became of it. False where SES takes no mail now."""
    try:
        _send(connection, ses, alert)
    except _Refused as refused:
        last = alert.attempts + 1 >= MOST_ATTEMPTS
        _log.warning("fraud mail parked" if last else "fraud mail refused", alert=alert.id, reason=str(refused))
        outbox.note(connection, alert, _PARKED if last else _FAILED, alert.attempts)
        tally.parked, tally.failed = tally.parked + last, tally.failed + (not last)
    except (ClientError, BotoCoreError) as error:
        unverified = f" ({SENDER} is not verified)" if SENDER in str(error) else ""
        tally.outage = f"SES: {error_code(error)}{unverified}"
        return False
    else:
        outbox.note(connection, alert, _SENT)
        tally.sent += 1
    return True


def _send(connection: Any, ses: Any, alert: Alert) -> None:
    owner = _query(connection, _OWNER, (alert.account,))
    if not owner:
        raise _Refused("no_owner")
    email, first_name = owner[0]
    if not _ADDRESS.fullmatch(email or ""):
        raise _Refused("no_valid_address")
    mail = fraud_mail(first_name or "", alert.account, alert.amount, alert.time_stamp, alert.memo)
    try:
        ses.send_email(Source=SENDER, Destination={"ToAddresses": [email]}, Message=_message(mail))
    except ClientError as error:
        # SES says MessageRejected as well when the bank's own address is not verified: no fault of this mail.
        if error_code(error) in REFUSALS and SENDER not in str(error):
            raise _Refused(error_code(error)) from None
        raise


def _message(mail: Mail) -> dict[str, Any]:
    def part(text: str) -> dict[str, str]:
        return {"Data": text, "Charset": "UTF-8"}

    return {"Subject": part(mail.subject), "Body": {"Text": part(mail.text), "Html": part(mail.html)}}


def _query(connection: Any, statement: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
    with translated(), closing(connection.cursor()) as cursor:
        cursor.execute(statement, parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows


def _commit(connection: Any, statement: str, parameters: Sequence[object]) -> None:
    with translated():
        with closing(connection.cursor()) as cursor:
            cursor.execute(statement, parameters)
        connection.commit()


class AlertSender:
    """Sends waiting mails in the background, between `start` and `stop`: while this driver holds the leases.

    Outages of the database or of SES are waited for and logged once a minute; what nobody foresaw does not end it.
    """

    def __init__(self, connect: Connect, ses: Any, pause: float = PAUSE_SECONDS) -> None:
        self._outbox, self._ses, self._pause = Outbox(connect), ses, pause
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._pace = OnceAMinute()
        self._going_on = GoingOn("sending fraud mails")

    def start(self) -> None:
        """Begin to send; nothing happens if it has begun."""
        if self._thread is None:
            self._stop.clear()
            self._thread = threading.Thread(target=self._run, name="alert-sender", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End, after the mail in flight. Idempotent; `start` may follow."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        while not self._stop.is_set():
            with self._going_on:
                self._round()
            self._stop.wait(self._pause)

    def _round(self) -> None:
        try:
            outage = send_waiting(self._outbox, self._ses, limit=MAILS_A_ROUND, stop=self._stop).outage
        except PipelineError as error:
            outage = str(error)
        if outage and self._pace.due():
            _log.warning("fraud mails wait", reason=outage)
