"""Fraud mails: each waiting alert is sent once, to the right owner, saying the right thing; outages lose none."""

from __future__ import annotations

import itertools
import json
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from decimal import Decimal
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import mysql.connector
import pytest
from botocore.config import Config
from structlog.testing import capture_logs

from card_transactions import alerts
from card_transactions.alerts import SENDER, AlertSender, Sent
from card_transactions.mails import SUBJECT, fraud_mail
from pipeline.aws import Aws
from pipeline.runtime.background import unforeseen
from pipeline.runtime.errors import PipelineError, Transient
from tests.schema import Schema

_numbers = itertools.count(1)


class Outbox:
    """The tables of one test, and the mails that went to its users."""

    def __init__(self, schema: Schema, url: str) -> None:
        self.schema, self.url = schema, url
        self.connect = schema.connect
        self.run = f"{time.time_ns():x}"

    def alert(self, email: str | None = "", memo: str = "shoes", first_name: str = "Ada") -> str:
        """An alert and the account and user behind it (no user for None); the user's address."""
        number = next(_numbers)
        address = f"{self.run}.{number}@example.org" if email == "" else email or ""
        self.schema.execute(
            "INSERT INTO accounts (id, users_id, account_type, balance, payment_due, debt_interest, active, approved,"
            " confirmed) VALUES (%s, %s, 'Checking', 1, 0, 0, 0, 1, 1)",
            (number, number),
        )
        if email is not None:
            self.schema.execute(
                "INSERT INTO users (id, username, email, first_name, last_name) VALUES (%s, 'u', %s, %s, 'L')",
                (number, address, first_name),
            )
        self.schema.execute(
            "INSERT INTO fraud_alerts (accounts_id, transfer_value, memo, time_stamp, event_id)"
            " VALUES (%s, 1234.50, %s, '2021-10-06 11:28:47', %s)",
            (number, memo, number.to_bytes(16, "big")),
        )
        return address

    def rows(self) -> list[tuple[Any, ...]]:
        """attempts, whether sent, whether parked, in the order of the alerts."""
        return self.schema.query(
            "SELECT attempts, sent_at IS NOT NULL, parked_at IS NOT NULL FROM fraud_alerts ORDER BY id"
        )

    def sent_are(self, count: int) -> bool:
        return self.rows() == [(0, 1, 0)] * count

    def wait_over(self, minutes: int) -> None:
        self.schema.execute(
            "UPDATE fraud_alerts SET last_attempt_at = last_attempt_at - INTERVAL %s MINUTE", (minutes,)
        )

    def send(self, ses: Any, limit: int) -> Sent:
        """One round of a sender that has just begun."""
        return alerts.send_waiting(alerts.Outbox(self.connect), ses, limit)

    def cut_off(self, but: int = 0) -> None:
        """End every connection to the tables, one aside."""
        connections = "SELECT id FROM information_schema.processlist WHERE db = %s AND id NOT IN (CONNECTION_ID(), %s)"
        for (number,) in self.schema.query(connections, (self.schema.name, but)):
            self.schema.execute(f"KILL {number}")

    def mails(self, address: str) -> list[dict[str, Any]]:
        with urllib.request.urlopen(f"{self.url}/moto-api/data.json") as answer:
            sent = json.load(answer)["ses"]["Message"]
        return [mail for mail in sent if mail["destinations"].get("ToAddresses") == [address]]


@pytest.fixture
def outbox(database: Schema, moto: str) -> Outbox:
    return Outbox(database, moto)


@pytest.fixture
def ses(moto: str) -> Any:
    client = Aws("us-east-1", endpoints=(("AWS_ENDPOINT_URL", moto),)).client("ses")
    client.verify_email_identity(EmailAddress=SENDER)
    return client


class Ses:
    """The real client, with something happening before or after each mail."""

    def __init__(self, ses: Any, before: Callable[[], object] = int, after: Callable[[], object] = int) -> None:
        self._ses, self._before, self._after = ses, before, after

    def send_email(self, **mail: Any) -> None:
        self._before()
        self._ses.send_email(**mail)
        self._after()


@contextmanager
def refusing(code: str, status: int = 400) -> Iterator[Any]:
    """A client of an SES that refuses every mail with `code`, which moto cannot."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            error = f"<ErrorResponse><Error><Code>{code}</Code><Message>No.</Message></Error></ErrorResponse>"
            self.send_response(status)
            self.send_header("Content-Length", str(len(error)))
            self.end_headers()
            self.wfile.write(error.encode())

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield boto3.client(
            "ses",
            region_name="us-east-1",
            endpoint_url=f"http://127.0.0.1:{server.server_port}",
            config=Config(retries={"total_max_attempts": 1}),
        )
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it did not happen within 20 s"
        time.sleep(0.02)


def test_each_alert_is_mailed_once_to_the_owner_and_says_what_happened(outbox: Outbox, ses: Any) -> None:
    first, second = outbox.alert(), outbox.alert(memo="books", first_name="Grace")
    assert outbox.send(ses, 10) == Sent(sent=2)
    assert outbox.send(ses, 10) == Sent()
    assert outbox.rows() == [(0, 1, 0), (0, 1, 0)]
    ((account,), _) = outbox.schema.query("SELECT accounts_id FROM fraud_alerts ORDER BY id")
    (mail,) = outbox.mails(first)
    assert (mail["source"], mail["subject"]) == (SENDER, SUBJECT)
    for said in (f">{account}<", "$1,234.50", "2021-10-06 11:28:47 UTC", "shoes", "Dear Ada"):
        assert said in mail["body"]
    (mail,) = outbox.mails(second)
    assert "books" in mail["body"]
    assert "Dear Grace" in mail["body"]


def test_a_round_ends_at_its_limit(outbox: Outbox, ses: Any) -> None:
    for _ in range(3):
        outbox.alert()
    assert outbox.send(ses, 2) == Sent(sent=2)
    assert outbox.rows() == [(0, 1, 0), (0, 1, 0), (0, 0, 0)]


def test_a_hostile_memo_and_name_stay_text_in_their_line(outbox: Outbox, ses: Any) -> None:
    memo = "<script>a&b</script>\r\nBcc: x@y.org\x00\u2028\u202e{account}"
    address = outbox.alert(memo=memo, first_name='"><b>\nSubject: free')
    assert outbox.send(ses, 10) == Sent(sent=1)
    (mail,) = outbox.mails(address)
    assert mail["subject"] == SUBJECT
    assert "&lt;script&gt;a&amp;b&lt;/script&gt;  Bcc: x@y.org   {account}<" in mail["body"]
    assert "&quot;&gt;&lt;b&gt; Subject: free," in mail["body"]
    text = fraud_mail("\n", 7, Decimal("0.5"), datetime(2021, 10, 6), memo).text
    assert "\nMemo:    <script>a&b</script>  Bcc: x@y.org   {account}\n" in text
    assert text.startswith("Dear customer,\n")
    assert "\nAccount: 7\nAmount:  $0.50\nDate:    2021-10-06 00:00:00 UTC\n" in text


def test_a_card_number_in_a_memo_is_not_mailed() -> None:
    mail = fraud_mail("Ada", 7, Decimal(1), datetime(2021, 10, 6), "card 4111 1111\r1111 1234")
    assert "Memo:    card **** **** **** 1234\n" in mail.text
    assert "<td>card **** **** **** 1234</td>" in mail.html


@pytest.mark.parametrize(
    "email", [None, " ", "nobody", "a@b", "a@example.org,b@example.org", "a@example.org\r\nBcc: b@c.org"]
)
def test_a_mail_without_an_address_waits_longer_each_time_and_is_parked(
    outbox: Outbox, ses: Any, email: str | None
) -> None:
    outbox.alert(email)
    good = outbox.alert()
    assert outbox.send(ses, 10) == Sent(sent=1, failed=1)
    assert len(outbox.mails(good)) == 1
    for attempts, minutes in ((1, 1), (2, 4), (3, 16), (4, 64)):
        assert outbox.rows()[0] == (attempts, 0, 0)
        outbox.schema.execute("UPDATE fraud_alerts SET last_attempt_at = UTC_TIMESTAMP(6) + INTERVAL 20 SECOND")
        outbox.wait_over(minutes)
        assert outbox.send(ses, 10) == Sent()
        outbox.schema.execute("UPDATE fraud_alerts SET last_attempt_at = UTC_TIMESTAMP(6)")
        outbox.wait_over(minutes)
        assert outbox.send(ses, 10) == Sent(failed=attempts < 4, parked=attempts == 4)
    assert outbox.rows()[0] == (5, 0, 1)
    outbox.wait_over(100_000)
    assert outbox.send(ses, 10) == Sent()


def test_a_mended_address_gets_its_mail(outbox: Outbox, ses: Any) -> None:
    outbox.alert("nobody")
    assert outbox.send(ses, 10) == Sent(failed=1)
    outbox.schema.execute("UPDATE users SET email = %s", (f"{outbox.run}@example.org",))
    outbox.wait_over(1)
    assert outbox.send(ses, 10) == Sent(sent=1)
    assert outbox.rows() == [(1, 1, 0)]


@pytest.mark.parametrize("code", ["MessageRejected", "InvalidParameterValue"])
def test_a_mail_that_ses_refuses_counts_an_attempt(outbox: Outbox, code: str) -> None:
    outbox.alert()
    outbox.alert()
    with refusing(code) as ses:
        assert outbox.send(ses, 10) == Sent(failed=2)
    assert outbox.rows() == [(1, 0, 0), (1, 0, 0)]


@pytest.mark.parametrize(
    ("code", "status"), [("Throttling", 400), ("AccountSendingPausedException", 400), ("ServiceUnavailable", 503)]
)
def test_an_outage_of_ses_ends_the_round_and_counts_against_no_mail(
    outbox: Outbox, ses: Any, code: str, status: int
) -> None:
    address = outbox.alert()
    with refusing(code, status) as broken:
        assert outbox.send(broken, 10) == Sent(outage=f"SES: {code}")
    assert outbox.rows() == [(0, 0, 0)]
    assert outbox.send(ses, 10) == Sent(sent=1)
    assert len(outbox.mails(address)) == 1


def test_an_unverified_sender_is_an_outage_not_a_fault_of_the_mail(outbox: Outbox, moto: str) -> None:
    outbox.alert()
    elsewhere = Aws("eu-west-3", endpoints=(("AWS_ENDPOINT_URL", moto),)).client("ses")
    assert "not verified" in outbox.send(elsewhere, 10).outage
    assert outbox.rows() == [(0, 0, 0)]


def test_a_row_that_another_sender_has_claimed_is_passed_by(outbox: Outbox, ses: Any) -> None:
    outbox.alert()
    outbox.alert()
    other = outbox.connect()
    cursor = other.cursor()
    cursor.execute("SELECT id FROM fraud_alerts ORDER BY id LIMIT 1 FOR UPDATE")
    cursor.fetchall()
    assert outbox.send(ses, 10) == Sent(sent=1)
    assert outbox.rows() == [(0, 0, 0), (0, 1, 0)]
    other.close()
    assert outbox.send(ses, 10) == Sent(sent=1)


def test_neither_accounts_nor_users_are_locked_while_a_mail_is_sent(outbox: Outbox, ses: Any) -> None:
    outbox.alert()

    def update() -> None:
        with outbox.schema.connect() as connection, connection.cursor() as cursor:
            cursor.execute("SET innodb_lock_wait_timeout = 1")
            cursor.execute("UPDATE accounts SET balance = 2")
            cursor.execute("UPDATE users SET last_name = 'M'")
            connection.commit()

    assert outbox.send(Ses(ses, before=update), 10) == Sent(sent=1)


def test_a_crash_between_sending_and_noting_repeats_that_mail_only(outbox: Outbox, ses: Any) -> None:
    class Crash(BaseException):
        """Stands for the end of the process."""

    def crash() -> None:
        raise Crash

    first, second = outbox.alert(), outbox.alert()
    with pytest.raises(Crash):
        outbox.send(Ses(ses, after=crash), 10)
    assert outbox.rows() == [(0, 0, 0), (0, 0, 0)]
    assert outbox.send(ses, 10) == Sent(sent=2)
    assert [len(outbox.mails(address)) for address in (first, second)] == [2, 1]


def test_a_mail_is_noted_though_the_connection_went_while_ses_was_slow(outbox: Outbox, ses: Any) -> None:
    address = outbox.alert()

    with pytest.raises(PipelineError):
        outbox.send(Ses(ses, after=outbox.cut_off), 10)
    assert outbox.rows() == [(0, 1, 0)]
    assert outbox.send(ses, 10) == Sent()
    assert len(outbox.mails(address)) == 1


def test_a_mail_that_cannot_be_noted_is_not_sent_again_and_no_other_is_until_it_is(outbox: Outbox, ses: Any) -> None:
    """As where a lost connection still holds its lock, or the disk is full."""
    first, second = outbox.alert(), outbox.alert()

    def impatient() -> Any:
        connection = outbox.connect()
        connection.cursor().execute("SET SESSION innodb_lock_wait_timeout = 1")
        return connection

    sender = alerts.Outbox(impatient)
    with closing(outbox.schema.connect()) as holder:

        def lock() -> None:
            outbox.cut_off(but=holder.connection_id)
            holder.cursor().execute("UPDATE fraud_alerts SET memo = 'locked'")

        for then in (lock, lambda: pytest.fail("sent again")):
            with pytest.raises(PipelineError):
                alerts.send_waiting(sender, Ses(ses, before=then), 10)
        holder.rollback()
    assert alerts.send_waiting(sender, ses, 10) == Sent(sent=1)
    assert [len(outbox.mails(address)) for address in (first, second)] == [1, 1]
    assert outbox.sent_are(2)


@pytest.mark.parametrize(("attempts", "parked"), [(0, 0), (alerts.MOST_ATTEMPTS - 1, 1)])
def test_an_attempt_whose_commit_had_no_answer_counts_once(
    outbox: Outbox, ses: Any, attempts: int, parked: int
) -> None:
    outbox.alert(email="no address")
    outbox.schema.execute("UPDATE fraud_alerts SET attempts = %s", (attempts,))
    lost = itertools.count()

    class Loses:
        """A connection whose first COMMIT is carried out, and its answer lost."""

        def __init__(self) -> None:
            self._real = outbox.connect()

        def __getattr__(self, name: str) -> Any:
            return getattr(self._real, name)

        def commit(self) -> None:
            self._real.commit()
            if next(lost) == 0:
                raise mysql.connector.errors.OperationalError(errno=2013)

    with pytest.raises(PipelineError):
        alerts.send_waiting(alerts.Outbox(Loses), ses, 10)
    assert outbox.rows() == [(attempts + 1, 0, parked)]


def test_the_sender_outlives_what_nobody_foresaw(outbox: Outbox, ses: Any) -> None:
    outbox.alert()
    before, calls = unforeseen().get("sending fraud mails", 0), itertools.count()

    def connect() -> Any:
        if next(calls) == 0:
            raise KeyError("what nobody foresaw")
        return outbox.connect()

    sender = AlertSender(connect, ses, pause=0.01)
    sender.start()
    until(partial(outbox.sent_are, 1))
    sender.stop()
    assert unforeseen()["sending fraud mails"] == before + 1


def test_the_sender_sends_what_comes_until_it_is_stopped_and_can_begin_again(outbox: Outbox, ses: Any) -> None:
    sender = AlertSender(outbox.connect, ses, pause=0.02)
    for count in (1, 2):
        outbox.alert()
        sender.start()
        sender.start()
        until(partial(outbox.sent_are, count))
        sender.stop()
        sender.stop()
    outbox.alert()
    assert outbox.rows()[2] == (0, 0, 0)


def test_the_sender_pauses_between_two_rounds(outbox: Outbox, ses: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("card_transactions.alerts.MAILS_A_ROUND", 2)
    for _ in range(5):
        outbox.alert()
    sender = AlertSender(outbox.connect, ses, pause=60)
    sender.start()
    until(lambda: outbox.rows()[:2] == [(0, 1, 0)] * 2)
    sender.stop()
    assert outbox.rows()[2:] == [(0, 0, 0)] * 3


def test_stopping_waits_for_the_mail_in_flight_and_begins_no_other(outbox: Outbox, ses: Any) -> None:
    for _ in range(3):
        outbox.alert()
    sending, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        sending.set()
        assert go_on.wait(20)

    sender = AlertSender(outbox.connect, Ses(ses, before=hold), pause=0.02)
    sender.start()
    assert sending.wait(20)
    stopping = threading.Thread(target=sender.stop)
    stopping.start()
    until(sender._stop.is_set)
    assert stopping.is_alive()
    go_on.set()
    stopping.join(20)
    assert not stopping.is_alive()
    assert outbox.rows() == [(0, 1, 0), (0, 0, 0), (0, 0, 0)]


def test_the_sender_outlives_outages_and_complains_once_a_minute(outbox: Outbox, ses: Any) -> None:
    outbox.alert()
    calls = itertools.count()

    def connect() -> Any:
        if next(calls) < 5:
            raise Transient("database error 2003")
        return outbox.connect()

    with capture_logs() as logs:
        sender = AlertSender(connect, ses, pause=0.01)
        sender.start()
        until(partial(outbox.sent_are, 1))
        sender.stop()
    assert [line["reason"] for line in logs if line["event"] == "fraud mails wait"] == ["database error 2003"]
