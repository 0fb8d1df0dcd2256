"""status, letters, and the commands that mend leases and rows, as an operator uses them."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.messages.records import END
from pipeline.operations import holders
from tests.contract.streams import FIRST_SHARD
from tests.integration.messages import payment, quote, transfer
from tests.integration.operated import OWNER, Operated
from tests.integration.test_operations_redrive import account, balances, card, data
from tests.schema import Schema


@pytest.fixture
def bank(database: Schema, moto: str) -> Operated:
    operated = Operated(database, moto)
    operated.start()
    return operated


@contextmanager
def beating(bank: Operated) -> Iterator[None]:
    """The holder of the lease lives."""
    stop = threading.Event()

    def beat() -> None:
        while not stop.wait(0.2):
            (lease,) = bank.bench.lease_table.scan()
            bank.bench.lease_table.renew(lease)

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_status_of_a_service_that_works_says_who_how_far_and_how_much(bank: Operated) -> None:
    bank.stream.put(*[data(quote())] * 3)
    bank.consume()
    bank.stream.put(*[data(quote())] * 7)
    with beating(bank):
        found = bank.json("status")
        table = bank.run("status").stdout
    assert found["holders"] == [{"owner": OWNER, "alive": True}]
    (shard,) = found["shards"]
    assert (shard["shard"], shard["owner"], shard["waiting"]) == (FIRST_SHARD, OWNER, "7")
    assert 0 <= shard["behind"] < 60 and 0 <= shard["caught_up"] < 60
    assert found["rows_last_5_minutes"]["stocks"]["rows"] == 3
    assert found["mails"] == {"waiting": 0, "parked": 0}
    assert f"held by: {OWNER} (alive: its counter moved)" in table and "no open letters" in table


def test_status_of_a_dead_holder_says_so_and_ends_with_1(bank: Operated) -> None:
    found = bank.json("status", code=1)
    assert found["holders"] == [{"owner": OWNER, "alive": False}]
    assert "no sign of life" in found["wrong"][0] and "release" in found["wrong"][0]


def test_status_before_anything_ran_names_what_is_missing(database: Schema, moto: str) -> None:
    found = Operated(database, moto).json("status", code=1)
    assert found["wrong"] == ["nobody holds the leases: is the service running?"]
    assert [shard["position"] for shard in found["shards"]] == ["no lease yet"]


def test_status_tells_of_letters_and_parked_mails(bank: Operated) -> None:
    bank.stream.put(data(transfer(1, 2)), b"")
    bank.consume()
    bank.schema.execute(
        "INSERT INTO fraud_alerts (accounts_id, transfer_value, memo, time_stamp, event_id, parked_at)"
        " VALUES (1, 1, '', NOW(), 'a', NOW()), (1, 1, '', NOW(), 'b', NULL)"
    )
    found = bank.json("status", code=1)
    assert found["mails"] == {"waiting": 1, "parked": 1}
    assert {(group["reason"], group["type"]) for group in found["letters"]} == {
        ("empty", ""),
        ("no_account", "transaction"),
    }
    assert any("1 mails are parked" in line for line in found["wrong"])


def test_letters_are_grouped_filtered_exported_and_shown_in_full_without_secrets(
    bank: Operated, tmp_path: Path
) -> None:
    account(bank, 1)
    number = card(bank, 1)
    bank.stream.put(data(payment(number, 9, pin=1234, cvc1=111, memo="[red]")), *[data(transfer(1, 9))] * 2)
    bank.consume()
    assert [(one["reason"], one["letters"]) for one in bank.json("letters")["open"]] == [
        ("no_account", 2),
        ("no_merchant", 1),
    ]
    assert [one["reason"] for one in bank.json("letters", "--type", "card_transaction")["open"]] == ["no_merchant"]
    path = tmp_path / "letters.jsonl"
    assert bank.run("letters", "--export", str(path)).exit_code == 0
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    (one,) = [line for line in lines if line["reason"] == "no_merchant"]
    assert len(lines) == 3
    full = bank.json("letters", one["key"])
    assert full == one == bank.json("letters", one["event_id"])
    shown = bank.run("letters", one["key"]).stdout
    assert "[red]" in shown and str(number) not in shown + path.read_text()
    assert not full["payload"].keys() & {"pin", "cvc1", "cvc2"}


@pytest.mark.parametrize(("key", "code", "text"), [("7", 1, "no letter 7"), ("seven", 2, "is no letter's key")])
def test_a_key_that_is_none_is_refused_in_one_line(bank: Operated, key: str, code: int, text: str) -> None:
    for command in ("letters", "redrive"):
        result = bank.run(command, key)
        assert (result.exit_code, text in result.stderr, result.stderr.count("\n")) == (code, True, 1)


def test_an_odd_letter_is_named_and_passed_over_by_every_command(bank: Operated, tmp_path: Path) -> None:
    bank.stream.put(data(transfer(1, 2)), b"")
    bank.consume()
    (odd,) = [key for key, stored in bank.letters().items() if stored.letter.reason == "empty"]
    bank.bench.aws.client("dynamodb").update_item(
        TableName=bank.bench.dead_letters.table,
        Key={"key": {"N": str(odd)}},
        UpdateExpression="REMOVE #e SET attempts = :two",
        ExpressionAttributeNames={"#e": "error"},
        ExpressionAttributeValues={":two": {"S": "two"}},
    )
    why = {"key": str(odd), "why": "its error is missing"}
    status = bank.json("status", code=1)
    assert (len(status["letters"]), status["unreadable_letters"]) == (1, [why])
    assert any("1 letters cannot be read" in line and str(odd) in line for line in status["wrong"])
    letters = bank.json("letters")
    assert ([one["reason"] for one in letters["open"]], letters["unreadable"]) == (["no_account"], [why])
    for command in (
        ("letters", "--export", str(tmp_path / "letters.jsonl")),
        ("redrive", "--dry-run"),
        ("purge", "--older-than", "0", "--reason", "no_account", "--yes"),
    ):
        result = bank.run(*command)
        assert (result.exit_code, result.stderr.splitlines()[0]) == (
            0,
            f"letter {odd} is passed over: its error is missing",
        )
    assert len((tmp_path / "letters.jsonl").read_text().splitlines()) == 1
    assert bank.letters() == {}
    for alone in (("letters", str(odd)), ("redrive", str(odd))):
        result = bank.run(*alone)
        assert (result.exit_code, str(odd) in result.stderr, "Traceback" in result.output) == (1, True, False)


def test_replay_applies_what_lost_its_row_and_nothing_twice(bank: Operated) -> None:
    account(bank, 1)
    account(bank, 2)
    begin = datetime.now(UTC)
    bank.stream.put(data(transfer(1, 2, 10.0)), data(transfer(1, 2, 20.0)), b"")
    bank.consume()
    bank.stream.put(data(transfer(1, 2, 30.0)))
    bank.schema.execute("DELETE FROM transactions WHERE transfer_value = 20")
    bank.schema.execute("UPDATE accounts SET balance = balance + IF(id = 1, 20, -20)")
    span = ["--from", f"{begin:%Y-%m-%dT%H:%M:%S}", "--to", f"{begin + timedelta(hours=1):%Y-%m-%dT%H:%M:%S}", "--yes"]
    assert bank.json("replay", *span) == {
        "after_checkpoint": 1,
        "records": 3,
        "shards_trimmed": 0,
        "transaction 1": 1,
        "transaction duplicate": 1,
        "unknown letter:empty": 1,
    }
    assert balances(bank) == {1: "70.00", 2: "130.00"}
    assert bank.json("replay", *span)["transaction duplicate"] == 2


def test_replay_of_another_span_shard_or_order_is_refused_or_empty(bank: Operated) -> None:
    bank.stream.put(data(quote()))
    bank.consume()
    assert bank.json("replay", "--from", "2020-01-01", "--to", "2020-01-02", "--yes").get("records", 0) == 0
    wrong = bank.run("replay", "--from", "2020-01-02", "--to", "2020-01-01", "--yes")
    assert (wrong.exit_code, wrong.stderr) == (2, "replay: --from is not before --to\n")
    unknown = bank.run("replay", "--from", "2020-01-01", "--to", "2020-01-02", "--shard", "x", "--yes")
    assert (unknown.exit_code, FIRST_SHARD in unknown.stderr) == (2, True)


def test_purge_deletes_settled_letters_and_open_ones_only_by_reason(bank: Operated) -> None:
    bank.stream.put(data(transfer(1, 2, id="A")), data(transfer(1, 3)), b"")
    bank.consume()
    account(bank, 1)
    account(bank, 2)
    bank.stream.put(data(transfer(1, 2, id="A")))
    bank.consume()
    assert bank.json("purge", "--older-than", "1") == {"lost": 0, "settled": 0}
    asked = bank.run("purge", "--older-than", "0", "--reason", "empty")
    assert (asked.exit_code, "Nothing was changed" in asked.stderr, len(bank.letters())) == (1, True, 3)
    assert bank.json("purge", "--older-than", "0", "--yes") == {"lost": 0, "settled": 1}
    assert bank.json("purge", "--older-than", "0", "--reason", "empty", "--yes") == {"lost": 1, "settled": 0}
    assert [one.letter.reason for one in bank.letters().values()] == ["no_account"]


def test_release_frees_the_leases_of_the_dead_only(bank: Operated, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holders, "FAIL_OVER", 2.0)
    with beating(bank):
        refused = bank.run("release", "--yes")
    assert (refused.exit_code, f"{OWNER} is alive" in refused.stderr) == (1, True)
    assert bank.run("release").exit_code == 1, "nobody is there to ask"
    assert bank.json("release", "--yes") == {"released": 1}
    assert [lease.owner for lease in bank.bench.lease_table.scan()] == [None]
    assert bank.json("release", "--yes") == {}


def test_a_lease_written_by_hand_ends_a_command_in_one_line_that_names_it(bank: Operated) -> None:
    table = bank.bench.lease_table
    client, key = bank.bench.aws.client("dynamodb"), {"leaseKey": {"S": FIRST_SHARD}}
    broken = {":n": {"NULL": True}}
    client.update_item(
        TableName=table.name, Key=key, UpdateExpression="SET leaseOwner = :n", ExpressionAttributeValues=broken
    )
    result = bank.run("status")
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert f"lease of shard {FIRST_SHARD}: its leaseOwner" in result.stderr


def test_accepting_a_loss_marks_the_lease_and_knows_its_shards(bank: Operated) -> None:
    unknown = bank.run("accept-loss", "shardId-7", "--yes")
    assert (unknown.exit_code, FIRST_SHARD in unknown.stderr) == (2, True)
    trim(bank)
    assert "accept-loss" in bank.json("status", code=1)["shards"][0]["wrong"]
    before = bank.bench.lease_table.scan()[0].checkpoint
    assert bank.json("accept-loss", FIRST_SHARD, "--yes") == {"accepted": 1}
    (lease,) = bank.bench.lease_table.scan()
    assert lease.loss_accepted_at is not None and time.time() * 1000 - lease.loss_accepted_at < 60_000
    assert lease.checkpoint == before


@pytest.mark.parametrize("position", ["never read", "at the tip", "behind", "at its end", "accepted already"])
def test_a_loss_is_not_accepted_where_nothing_is_lost(bank: Operated, position: str) -> None:
    bank.stream.put(data(quote()))
    if position in ("at the tip", "behind"):
        bank.consume()
    if position == "behind":
        bank.stream.put(data(quote()))
    (lease,) = bank.bench.leases()
    if position == "at its end":
        bank.stream.split()
        bank.bench.lease_table.checkpoint(lease, END, caught_up_at=0)
    if position == "accepted already":
        trim(bank)
        assert bank.run("accept-loss", FIRST_SHARD, "--yes").exit_code == 0
    before = bank.bench.leases()
    refused = bank.run("accept-loss", FIRST_SHARD, "--yes")
    assert (refused.exit_code, refused.stdout, refused.stderr.count("\n")) == (1, "", 1)
    assert f"accept-loss: {FIRST_SHARD} is not stopped" in refused.stderr
    assert bank.bench.leases() == before


@pytest.mark.parametrize("lease", ["at the end of an open shard", "of an older stream"])
def test_a_stream_that_was_made_again_is_told_and_its_shards_loss_can_be_accepted(bank: Operated, lease: str) -> None:
    (found,) = bank.bench.leases()
    if lease == "of an older stream":
        bank.bench.lease_table.renew(found, stream_created_at=17)
    else:
        bank.bench.lease_table.checkpoint(found, END, caught_up_at=0)
    assert "made again" in bank.json("status", code=1)["shards"][0]["wrong"]
    assert bank.json("accept-loss", FIRST_SHARD, "--yes") == {"accepted": 1}


def trim(bank: Operated) -> None:
    """Let the lease say that it has not caught up since 1970, behind a record that the stream does not hold."""
    bank.stream.put(data(quote()))
    bank.bench.aws.client("dynamodb").update_item(
        TableName=bank.bench.lease_table.name,
        Key={"leaseKey": {"S": FIRST_SHARD}},
        UpdateExpression="SET #c = :c, caughtUpAt = :at",
        ExpressionAttributeNames={"#c": "checkpoint"},
        ExpressionAttributeValues={":c": {"S": "0"}, ":at": {"N": "0"}},
    )


def test_scrub_forgets_the_codes_of_old_rows_and_a_second_run_finds_none(bank: Operated, monkeypatch: Any) -> None:
    values = ", ".join(f"(1, 1, '', 1, {pin}, NULL, 7, NOW(), 1)" for pin in ("1234", "NULL") * 1500)
    columns = "card_num, merchant_account_id, memo, transfer_value, pin, cvc1, cvc2, time_stamp, status"
    bank.schema.execute(f"INSERT INTO card_transactions ({columns}) VALUES {values}")
    bank.schema.execute("DELETE FROM card_transactions WHERE id BETWEEN 500 AND 1700")
    assert bank.run("scrub").exit_code == 1, "nobody is there to ask"
    ((before,),) = bank.schema.query("SELECT COUNT(*) FROM card_transactions")
    assert bank.json("scrub", "--yes") == {"scrubbed": before}
    left = "SELECT COUNT(*) FROM card_transactions WHERE pin IS NOT NULL OR cvc1 IS NOT NULL OR cvc2 IS NOT NULL"
    assert bank.schema.query(left) == [(0,)]
    assert bank.json("scrub", "--yes") == {"scrubbed": 0}
    assert [entry["command"] for entry in bank.json("log")] == ["scrub", "scrub"]


def test_a_database_that_is_away_ends_a_command_in_one_line_that_says_what_to_do(bank: Operated) -> None:
    away = {"MYSQL_LOC": "jdbc:mysql://127.0.0.1:1/bytecrunchers"}
    result = bank.run("redrive", settings=away)
    assert (result.exit_code, result.stderr.count("\n"), result.stdout) == (1, 1, "")
    assert "python -m pipeline check" in result.stderr
