"""PINs, codes and card numbers, planted wherever a message can fail, are found nowhere that the job writes to."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pytest

import migrations
from card_transactions.alerts import SENDER
from tests import servers
from tests.faults.job import until
from tests.integration.messages import quote, transfer
from tests.integration.secretive import CVC1, CVC2, MEMO_CARD, PIN, UNKNOWN_CARD, WRONG, Secretive, fours
from tests.schema import Schema

ALL_IT_CAN = {"mariadb": "--log-warnings=9", "mysql": "--log-error-verbosity=3"}
PLAIN = "spark.io.encryption.enabled false\nspark.shuffle.compress false\n"


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Schema]:
    """A server of its own, whose error log is searched and says all it can."""
    folder = tmp_path_factory.mktemp("secretive")
    with servers.database(folder / "db", options=[ALL_IT_CAN[servers.kind()]]) as server:
        migrations.upgrade(server.url)
        yield server


@pytest.fixture
def secretive(
    database: servers.DatabaseServer, moto: str, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Secretive]:
    """With the configuration of Spark that the test names."""
    (tmp_path / "db").mkdir()
    (tmp_path / "db" / "database.log").symlink_to(database.process.log)
    made = Secretive(tmp_path, database, moto, request.param)
    yield made
    made.job.kill9()


def refusals(told: Secretive) -> list[Mapping[str, object]]:
    """Payments that become rows."""
    return [
        told.paid(),
        told.paid(memo=f"card {MEMO_CARD} and {' '.join(fours(MEMO_CARD))}"),
        told.paid(pin=str(PIN), cvc1=str(CVC1)),
        told.paid(pin=WRONG),
        told.paid(cvc1=WRONG),
        told.paid(cvc1=None, cvc2=WRONG),
        told.paid(amount=99_999),
        told.paid(amount=0),
        told.paid(card_num=UNKNOWN_CARD),
        told.paid(card_num=UNKNOWN_CARD, pin=WRONG, merchant_account_id=0),
    ]


def letters(told: Secretive) -> list[Mapping[str, object] | bytes]:
    """Payments that become letters, and what is no payment any more."""
    good = told.paid()
    text = json.dumps(good)
    secrets = {"pin": PIN, "cvc1": CVC1, "cvc2": CVC2, "card_num": told.card}
    return [
        *({**good, name: [value]} for name, value in secrets.items()),
        *({**good, name: {"value": value}} for name, value in secrets.items()),
        *({**good, name: f"{value}x"} for name, value in secrets.items()),
        *({**good, name: value + 0.5} for name, value in {**secrets, "card_num": UNKNOWN_CARD // 10}.items()),
        *({**good, name: UNKNOWN_CARD} for name in ("merchant_account_id", "transfer_value", "memo", "location")),
        *(
            {**good, name: str(UNKNOWN_CARD)}
            for name in ("card_num", "time_stamp", "location", "type", "transfer_value")
        ),
        *({**good, "id": value, "memo": None} for value in (UNKNOWN_CARD, f"{UNKNOWN_CARD}-2", WRONG)),
        {**good, "memo": f"{MEMO_CARD}" + "x" * 50},
        {**good, "memo": "x" * 300 + " ".join(fours(MEMO_CARD))},
        {**good, "memo": None, "PIN": PIN, "cvv": CVC2, "cardNumber": told.card, "card_num ": told.card},
        {**good, "merchant_account_id": 0, "extra": {"pin": PIN, "card_num": [told.card]}},
        {**good, "type": "card", "status": 0},
        {**good, "type": None},
        {**transfer(told.owner, UNKNOWN_CARD), **secrets},
        {**transfer(told.owner, 0), **secrets, "memo": f"{MEMO_CARD}"},
        {**quote(ticker=None, name=str(MEMO_CARD), price=float(UNKNOWN_CARD)), **secrets},
        text[:-1].encode(),
        text.encode()[1:],
        text.encode() + b"\xff",
        text.encode("utf-16"),
        f"[{text}]".encode(),
        json.dumps(text).encode(),
        str(told.card).encode(),
    ]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("secretive", [""], indirect=True, ids=[""])
def test_no_secret_is_found_anywhere_whatever_fails(secretive: Secretive) -> None:
    told, schema, ses = secretive, secretive.schema, secretive.bank.aws.client("ses")
    ses.delete_identity(Identity=SENDER)
    schema.execute("INSERT INTO users VALUES (%s, 'u', 'owner@example.org', 'Ada', 'L')", (told.owner,))
    schema.execute("ALTER TABLE card_transactions ADD CONSTRAINT unlucky CHECK (transfer_value <> 13.13)")
    told.send(*refusals(told), *letters(told), told.paid(13.13), told.paid())
    told.job.start()
    until(told.is_settled, "all is settled")
    assert any("refused_by_database" in letter["reason"] for letter in told.bank.letters().values())

    schema.execute("ALTER TABLE card_transactions DROP COLUMN location")
    told.send(told.paid(), told.paid(pin=WRONG))
    until(told.waits_because_of("1054"), "the job waits for the column")
    schema.execute("ALTER TABLE card_transactions ADD COLUMN location CHAR(2) NULL AFTER cvc2")
    until(told.is_settled, "it goes on with the column")

    schema.execute("ALTER TABLE accounts MODIFY balance DECIMAL(10,2) NULL")
    schema.execute("UPDATE accounts SET balance = NULL")
    told.send(told.paid(memo=str(MEMO_CARD)), told.paid(pin=WRONG))
    until(told.waits_because_of("TypeError at holdings.py"), "a task fails in a way that nobody foresaw")
    schema.execute("UPDATE accounts SET balance = '1000.00'")
    until(told.is_settled, "it goes on with the balances")

    schema.execute("UPDATE accounts SET balance = NULL WHERE id = %s", (told.shop,))
    told.send(told.paid(pin=WRONG), told.paid(memo=str(MEMO_CARD)), told.paid(pin=WRONG))
    until(told.is_settled, "what nobody foresaw is a letter where its neighbours go through")
    assert any("unforeseen_error" in letter["reason"] for letter in told.bank.letters().values())
    schema.execute("UPDATE accounts SET balance = '1000.00'")

    with closing(schema.connect()) as connection, closing(connection.cursor()) as cursor:
        cursor.execute("SELECT id FROM accounts FOR UPDATE")
        cursor.fetchall()
        told.send(told.paid(), told.paid(pin=WRONG))
        waiting = "SHOW GLOBAL STATUS LIKE 'Innodb_row_lock_current_waits'"  # INNODB_TRX stays stale when asked often
        until(lambda: schema.query(waiting)[0][1] != "0", "a task waits for a lock")
        assert told.kill_workers() > 0
        until(told.waits_because_of("Python worker"), "Spark gives the batch up")
    until(told.is_settled, "it goes on without the workers")

    told.send(told.paid(500, cvc1=None, cvc2=None, location="DE", memo=f"hat {MEMO_CARD}"))
    until(told.is_settled, "fraud is a row")
    until(lambda: told.job.lines("fraud mails wait"), "SES refuses")
    ses.verify_email_identity(EmailAddress=SENDER)
    sent = "SELECT COUNT(*) FROM fraud_alerts WHERE sent_at IS NOT NULL"
    until(lambda: schema.query(sent) == [(1,)], "the mail is sent")
    told.job.terminate()
    assert told.job.exit_code() == 0
    assert told.hunt.leaks() == set()
    assert all(told.hunt.searched.values()), told.hunt.searched
    statuses = {row["status"] for row in told.bank.rows("card_transactions")}
    assert statuses == {1, -1, -4, -7, -8}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("secretive", [PLAIN], indirect=True, ids=[""])
def test_the_hunt_finds_what_spark_writes_without_encryption_and_a_leak_in_any_other_place(
    secretive: Secretive,
) -> None:
    told, schema, secret = secretive, secretive.schema, str(PIN)
    told.send(*(told.paid() for _ in range(50)))
    told.job.start()
    found = set[str]()

    def in_shuffle_files() -> bool:
        found.update(told.hunt.in_files())
        return any(place.startswith("shuffle") and place.endswith(secret) for place in found)

    until(in_shuffle_files, "the hunt looks into the files of the shuffle")
    until(lambda: schema.query("SELECT COUNT(*) FROM card_transactions") != [(0,)], "a payment is a row")
    told.job.kill9()
    places = {place.partition(":")[0] for place in told.hunt.leaks()}
    assert not {place for place in places if not place.startswith("shuffle")}

    schema.execute(
        "INSERT INTO fraud_alerts (accounts_id, transfer_value, memo, time_stamp, event_id)"
        " VALUES (1, 1, %s, '2021-10-06', 'x')",
        (f"pin={secret}",),
    )
    schema.execute(f"ALTER TABLE stocks COMMENT 'pin {secret}'")
    schema.execute(f"UPDATE card_transactions SET cvc1 = {CVC1} LIMIT 1")
    told.hunt.dynamodb.put_item(TableName=told.hunt.letters[0], Item={"key": {"N": "1"}, "x": {"S": str(MEMO_CARD)}})
    ses = told.bank.aws.client("ses")
    ses.verify_email_identity(EmailAddress=SENDER)
    text = {"Data": f"Memo: {MEMO_CARD}"}
    ses.send_email(
        Source=SENDER, Destination={"ToAddresses": ["a@b.c"]}, Message={"Subject": text, "Body": {"Text": text}}
    )
    coded = b64encode(json.dumps(told.paid()).encode()).decode()
    for log in told.hunt.files:
        with log.open("a") as lines:
            lines.write(f'{{"Data": "{coded}"}}\n')
    leaks = {place.rpartition(":")[0] for place in told.hunt.leaks()} - places
    assert {leak.rstrip("0123456789") for leak in leaks} == {
        *("fraud_alerts.memo", "definition of stocks", "card_transactions.cvc", "mail "),
        *("job.log", "database.log", f"{told.hunt.letters[0]} "),
    }
