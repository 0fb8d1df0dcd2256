"""Each invariant of the checker reports the one defect that is planted for it in a small, otherwise sound run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from card_transactions.mails import fraud_mail
from pipeline.messages.identity import identity, letter_key
from pipeline.messages.records import END, Position, Record
from tests.faults.checker import check
from tests.faults.facts import DriverLog, Facts, Run, Told
from tests.faults.tables import Snapshot, Tables
from tests.model.bank import Bank, Columns
from tests.model.reading import Skipped, read
from tests.model.rules import expected

STREAM = "bank"
NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
CARD = 4000000000000007


def account(number: int, balance: str, limit: int | None = None) -> Columns:
    return {"id": number, "account_type": "Checking", "balance": Decimal(balance), "credit_limit": limit, "active": 1}


def bank() -> Bank:
    accounts = {1: account(1, "100.00"), 2: account(2, "50.00", -100), 3: account(3, "-20.00"), 4: account(4, "90.00")}
    card = {"card_num": CARD, "accounts_id": 4, "pin": 1234, "cvc1": 111, "cvc2": 222, "exp_date": date(2030, 1, 1)}
    return Bank({}, accounts, {CARD: card}, {7: {"id": 7, "balance": Decimal("-40.00"), "active": 1}})


def message(kind: str, **fields: object) -> bytes:
    return json.dumps({"type": kind, "time_stamp": "2026-01-05 11:59:58.5", "status": 0, **fields}).encode()


def transfer(origin: int, destination: int, amount: object, **fields: object) -> bytes:
    ids = {"origin_accounts_id": origin, "destination_accounts_id": destination}
    return message("transaction", memo="rent", transfer_value=amount, **ids, **fields)


MESSAGES = (
    transfer(1, 2, 30.004),
    transfer(1, 2, 5000.0),
    transfer(1, 3, 10.0, id="one"),
    transfer(1, 3, 10.0, id="one"),
    message("loan_payment", loan_id=7, account_id=2, amount=25.0),
    message("card_transaction", card_num=CARD, merchant_account_id=1, memo="", transfer_value=80, location="FR"),
    transfer(1, 666, 1.0),
    transfer(1, 2, 7.0, status=1),
    b"not JSON",
)
WRITERS = {"transactions": 0, "card_transactions": 1, "loan_payments": 2, "stocks": 3}


def sound_run(messages: Sequence[bytes] = MESSAGES) -> Run:
    """A run as a service without a flaw would leave it, with a snapshot in its middle."""
    records = [Record("shard", str(100 + n), 0, 1_767_614_400_000 + n, data) for n, data in enumerate(messages)]
    now = bank()
    tables, letters, snapshots = Tables(now), dict[int, Columns](), list[Snapshot]()
    seen = set[bytes]()
    for number, record in enumerate(records):
        said = read(record.data)
        if isinstance(said, Skipped):
            continue
        event = identity(STREAM, record, said.type, said.producer_id)
        if event not in seen:
            apply(record, event, number, now, tables, letters)
        seen.add(event)
        if number == 3:
            snapshots.append(Snapshot(deepcopy(tables), {"shard": record.position}))
    tables = replace(tables, alerts=tuple(r["event_id"] for r in tables.rows["card_transactions"] if r["status"] == -8))
    return Run(STREAM, records, Tables(bank()), tables, letters, snapshots, least=1)


def apply(record: Record, event: bytes, number: int, now: Bank, tables: Tables, letters: dict[int, Columns]) -> None:
    outcome = expected(record.data, record.arrived, now)
    if outcome.kind == "row":
        applied_at = NOON.replace(tzinfo=None) + timedelta(microseconds=number)
        row = {"id": number + 1, "event_id": event, "applied_at": applied_at, **outcome.columns}
        tables.rows[outcome.table].append(row)
    else:
        letters[letter_key(event)] = {"key": letter_key(event), "reason": outcome.reason}


def violated(run: Run) -> set[str]:
    return {violation.invariant for violation in check(run).violations}


def test_a_sound_run_has_no_violation_and_every_message_is_counted_once() -> None:
    report = check(sound_run())
    assert report.ok, report
    assert report.outcomes == {
        ("transaction", "1"): 2,
        ("transaction", "-1"): 1,
        ("transaction", "repeat"): 1,
        ("loan_payment", "1"): 1,
        ("card_transaction", "-8"): 1,
        ("transaction", "letter:unknown destination_account"): 1,
        ("transaction", "skipped"): 1,
        ("", "letter:not_json"): 1,
    }
    assert report.table().row_count == 8


def test_money_that_appears_in_a_snapshot_is_reported() -> None:
    run = sound_run()
    run.snapshots[0].tables.bank.accounts[2]["balance"] += 1
    assert "I1" in violated(run)


def test_a_balance_below_its_floor_is_reported() -> None:
    run = sound_run()
    run.snapshots[0].tables.bank.accounts[2]["balance"] = Decimal("-100.01")
    assert "I2" in violated(run)


def test_an_account_that_opened_below_its_floor_may_stay_there_but_not_sink() -> None:
    run = sound_run()
    accounts = run.snapshots[0].tables.bank.accounts
    accounts[3]["balance"] = Decimal("-20.00")
    assert "I2" not in violated(run)
    accounts[3]["balance"] = Decimal("-20.01")
    assert "I2" in violated(run)


def test_a_loan_payment_may_go_through_a_floor_above_zero_and_a_transfer_may_not() -> None:
    run = sound_run()
    payer = run.final.bank.accounts[2]
    payer["credit_limit"], payer["balance"] = 40, Decimal("20.00")
    assert "I2" not in violated(run)
    payer["balance"] = Decimal("-0.01")
    assert "I2" in violated(run)
    payer["balance"] = Decimal("20.00")
    run.final.rows["loan_payments"].clear()
    assert "I2" in violated(run)


def test_a_loan_that_is_overpaid_is_reported() -> None:
    run = sound_run()
    run.final.bank.loans[7]["balance"] = Decimal("0.01")
    assert "I2" in violated(run)


def test_two_balances_that_are_wrong_and_even_out_are_reported() -> None:
    run = sound_run()
    run.final.bank.accounts[1]["balance"] -= 5
    run.final.bank.accounts[2]["balance"] += 5
    assert {"I3", "I14"} == violated(run)


def test_a_message_without_an_outcome_is_reported() -> None:
    run = sound_run()
    assert "I4" in violated(replace(run, messages=[*run.messages, Record("shard", "999", 0, 1, transfer(1, 2, 1))]))


def test_a_lost_letter_is_reported() -> None:
    assert "I4" in violated(replace(sound_run(), letters={}))


def test_a_letter_of_nothing_that_was_put_is_reported() -> None:
    run = sound_run()
    assert {"I4"} == violated(replace(run, letters={**run.letters, 5: {"key": 5, "reason": "x"}}))


def test_a_second_row_of_one_event_is_reported() -> None:
    run = sound_run()
    run.final.rows["transactions"].append({**run.final.rows["transactions"][1], "id": 99})
    assert "I4" in violated(run)


def test_a_row_of_no_event_is_reported() -> None:
    run = sound_run()
    run.final.rows["transactions"].append({**run.final.rows["transactions"][1], "id": 99, "event_id": None})
    assert "I4" in violated(run)


def test_a_row_outranks_the_letter_of_its_event() -> None:
    run = sound_run()
    key = letter_key(run.final.rows["transactions"][0]["event_id"])
    report = check(replace(run, letters={**run.letters, key: {"key": key, "reason": "x"}}))
    assert report.ok, report


def test_an_event_that_had_its_row_before_the_run_is_a_repeat() -> None:
    run = sound_run()
    old = {
        **run.final.rows["transactions"][0],
        "id": 0,
        "event_id": identity(STREAM, run.messages[0], "transaction", "a"),
    }
    for tables in (run.opening, run.final, run.snapshots[0].tables):
        tables.rows["transactions"].append(old)
    again = Record("shard", "999", 0, 1, transfer(1, 2, 1, id="a"))
    report = check(replace(run, messages=[*run.messages, again]))
    assert report.ok, report
    assert report.outcomes["transaction", "repeat"] == 2


def test_a_row_seen_before_its_balance_change_is_reported() -> None:
    run = sound_run()
    accounts = run.snapshots[0].tables.bank.accounts
    accounts[1]["balance"] += 30
    accounts[2]["balance"] -= 30
    assert {"I9"} == violated(run)


def test_fraud_without_an_alert_or_on_an_active_account_is_reported() -> None:
    run = sound_run()
    assert {"I9"} == violated(replace(run, final=replace(run.final, alerts=())))
    run.final.bank.accounts[4]["active"] = 1
    assert "I9" in violated(run)


@pytest.mark.parametrize("place", ["text", "file", "letter"])
def test_a_secret_is_found_wherever_it_is_and_not_repeated(place: str, tmp_path: Path) -> None:
    secret, file = "4000000000000007", tmp_path / "shuffle.data"
    file.write_bytes(b"\x00" + secret.encode() * (place == "file") + b"\xff")
    text = f"log {secret if place == 'text' else ''}"
    run = replace(sound_run(), secrets=[secret], texts={"log": text}, files=[file])
    if place == "letter":
        run = replace(run, letters={key: {**row, "payload": {"memo": secret}} for key, row in run.letters.items()})
    report = check(run)
    assert {"I11"} == {violation.invariant for violation in report.violations}
    assert secret not in str(report)


def test_a_stored_code_is_reported() -> None:
    run = sound_run()
    run.final.rows["card_transactions"][0]["cvc2"] = 222
    assert "I11" in violated(run)


def test_a_checkpoint_that_goes_back_is_reported() -> None:
    run = sound_run()
    back = replace(run.snapshots[0], checkpoints={"shard": Position(101)})
    assert {"I6"} == violated(replace(run, snapshots=[*run.snapshots, back]))
    assert "I6" in violated(replace(run, checkpoints={"shard": Position(101)}))


def test_a_checkpoint_ahead_of_the_rows_is_reported() -> None:
    run = sound_run()
    ahead = replace(run.snapshots[0], checkpoints={"shard": Position(104)})
    assert {"I5"} == violated(replace(run, snapshots=[ahead]))


def test_a_checkpoint_ahead_of_a_letter_is_reported_though_the_letter_came_later() -> None:
    run = sound_run()
    letter = Position(106)
    tables = replace(run.final, alerts=run.final.alerts)
    late = Snapshot(tables, {"shard": letter}, letters=frozenset())
    assert "I5" in violated(replace(run, snapshots=[*run.snapshots, late]))
    in_time = replace(late, letters=frozenset(run.letters))
    assert violated(replace(run, snapshots=[*run.snapshots, in_time])) == set()


def test_a_message_ahead_of_the_last_checkpoint_is_reported() -> None:
    run = sound_run()
    assert violated(replace(run, checkpoints={"shard": run.messages[-1].position})) == set()
    assert violated(replace(run, checkpoints={"shard": END})) == set()
    assert {"I12"} == violated(replace(run, checkpoints={"shard": Position(107)}))
    assert {"I12"} == violated(replace(run, checkpoints={}))


def test_rows_of_one_key_in_another_order_than_put_are_reported() -> None:
    run = sound_run()
    first, second, *_ = run.final.rows["transactions"]
    first["applied_at"], second["applied_at"] = second["applied_at"], first["applied_at"]
    assert "I8" in violated(run)
    assert "I8" not in violated(replace(run, ordered=False))


def in_shards(run: Run, *shards: str) -> Run:
    """The run with its first messages in these shards. Their identities are told by their producer's ids."""
    moved = [msgspec.structs.replace(one, shard=shard) for one, shard in zip(run.messages, shards, strict=False)]
    return replace(run, messages=[*moved, *run.messages[len(moved) :]])


def swapped(*messages: bytes) -> Run:
    """A run in which the first two transfers were applied in the other order than put."""
    run = sound_run(messages)
    first, second, *_ = run.final.rows["transactions"]
    first["applied_at"], second["applied_at"] = second["applied_at"], first["applied_at"]
    return run


TWO = (transfer(1, 2, 30.0, id="a"), transfer(1, 2, 20.0, id="b"))


def test_between_shards_there_is_no_order_but_between_a_shard_and_what_it_was_split_or_merged_into() -> None:
    assert "I8" in violated(in_shards(swapped(*TWO), "one", "one"))
    apart = in_shards(swapped(*TWO), "one", "other")
    assert "I8" not in violated(apart)
    assert "I8" in violated(replace(apart, parents={"other": ("one",)}))
    assert "I8" in violated(replace(apart, parents={"other": ("between", "more"), "between": ("one",)}))
    assert "I8" not in violated(replace(apart, parents={"one": ("older",), "other": ("older",)}))


def test_a_later_message_of_one_shard_is_no_excuse_for_an_earlier_one_of_another() -> None:
    """What lies in one shard keeps its order, whatever of the same key lies in others meanwhile."""
    run = swapped(*TWO, transfer(1, 2, 1.0, id="c"))
    third = run.messages[2]
    elsewhere = msgspec.structs.replace(third, shard="other")
    assert "I8" in violated(replace(run, messages=[run.messages[0], elsewhere, run.messages[1]]))


def test_an_event_in_two_shards_has_no_place_in_the_order() -> None:
    run = swapped(TWO[0], TWO[1], TWO[0])
    assert "I8" in violated(run)
    assert "I8" not in violated(in_shards(run, "shard", "shard", "other"))
    assert "I8" in violated(replace(in_shards(run, "shard", "shard", "other"), parents={"other": ("shard",)}))


def test_an_id_that_says_two_things_has_no_place_in_the_order() -> None:
    run = sound_run()
    before = msgspec.structs.replace(run.messages[0], sequence="99", data=transfer(2, 3, 10.0, id="one"))
    assert "I8" not in violated(replace(run, messages=[before, *run.messages]))
    again = msgspec.structs.replace(before, data=MESSAGES[2])
    assert "I8" in violated(replace(run, messages=[again, *run.messages]))


def batch(second: int, **transactions: int) -> Told:
    return Told(NOON + timedelta(seconds=second), {"transaction": transactions})


def test_a_driver_that_goes_on_without_its_leases_is_reported() -> None:
    late = [batch(1), batch(11)]
    new = DriverLog("new", [NOON + timedelta(seconds=10)], [batch(12)])
    assert violated(replace(sound_run(), drivers=[DriverLog("old", [NOON], late), new])) == set(), "it was in flight"
    assert {"I7"} == violated(replace(sound_run(), drivers=[DriverLog("old", [NOON], [*late, batch(13)]), new]))


def test_a_driver_that_has_its_leases_back_is_not() -> None:
    old = DriverLog("old", [NOON, NOON + timedelta(seconds=20)], [batch(1), batch(11), batch(21), batch(22)])
    new = DriverLog("new", [NOON + timedelta(seconds=10)], [batch(12)])
    assert violated(replace(sound_run(), drivers=[old, new])) == set()


def test_two_drivers_that_tell_of_the_same_row_are_reported() -> None:
    there = {"1": 2}
    one = DriverLog("one", [NOON], [batch(1, **there)])
    two = DriverLog("two", [NOON + timedelta(seconds=2)], [batch(3, duplicate=2)])
    assert violated(replace(sound_run(), drivers=[one, two])) == set()
    assert {"I7"} == violated(replace(sound_run(), drivers=[one, replace(two, batches=[batch(3, **there)])]))


def mailed(run: Run) -> Run:
    return replace(run, final=replace(run.final, mailed=frozenset(run.final.alerts)))


def test_a_mail_that_is_missing_or_one_too_many_is_reported() -> None:
    run = mailed(sound_run())
    row = run.final.rows["card_transactions"][0]
    mail = fraud_mail("Ada", 4, row["transfer_value"], row["time_stamp"], "").text
    assert violated(replace(run, mails=[mail])) == set()
    assert {"I10"} == violated(replace(run, mails=[]))
    assert {"I10"} == violated(replace(run, mails=[mail, mail]))
    assert violated(replace(run, mails=[mail, mail], may_repeat=1)) == set(), "the sender was killed once"
    assert {"I10"} == violated(replace(run, mails=[mail, mail.replace("$80", "$81")], may_repeat=1))


def test_a_mail_that_was_never_tried_is_reported() -> None:
    run = sound_run()
    waiting = replace(run.final, untried=frozenset(run.final.alerts))
    assert {"I10"} == violated(replace(run, final=waiting, mails=[]))
    assert violated(replace(run, final=waiting)) == set(), "nobody looked at mails"


def test_a_run_that_shows_nothing_is_reported() -> None:
    nothing = Run(STREAM, [], Tables(bank()), Tables(bank()), {}, least=0)
    run = sound_run()
    assert {"I13"} == violated(nothing)
    assert {"I13"} == violated(replace(run, must_happen=[("stock", "1")]))
    assert {"I13"} == violated(replace(run, snapshots=[Snapshot(run.opening)]))
    assert {"I13"} == violated(replace(run, secrets=["4000000000000007"]))
    assert {"I13"} == violated(replace(run, least=1000))
    assert {"I13"} == violated(replace(run, hits={"killed": 1, "cut": 0}))


def test_a_status_that_the_model_does_not_give_is_reported() -> None:
    run = sound_run()
    row = next(row for row in run.final.rows["transactions"] if row["status"] == -1)
    row["status"] = -2
    assert {"I14"} == violated(run)


def test_a_letter_where_the_model_says_row_is_reported() -> None:
    run = sound_run()
    row = next(row for row in run.final.rows["transactions"] if row["status"] == -1)
    run.final.rows["transactions"].remove(row)
    key = letter_key(row["event_id"])
    snapshot = replace(run.snapshots[0], checkpoints={})
    run.snapshots[0].tables.rows["transactions"].remove(
        next(seen for seen in run.snapshots[0].tables.rows["transactions"] if seen["event_id"] == row["event_id"])
    )
    run = replace(run, letters={**run.letters, key: {"key": key, "reason": "x"}}, snapshots=[snapshot])
    assert {"I14"} == violated(run)


def test_a_column_that_is_not_what_was_sent_is_reported() -> None:
    run = sound_run()
    run.final.rows["transactions"][0]["memo"] = "rant"
    assert {"I14"} == violated(run)


def test_rows_applied_in_another_order_than_their_statuses_tell_are_reported() -> None:
    run = sound_run()
    fraud = run.final.rows["card_transactions"][0]
    earlier = {**run.final.rows["transactions"][0]}
    fraud["applied_at"] = earlier["applied_at"] - timedelta(seconds=1)
    run.final.rows["loan_payments"][0]["applied_at"] = earlier["applied_at"] - timedelta(seconds=2)
    assert violated(run) == set(), "these commute"
    late = Record("shard", "200", 0, 1_767_614_500_000, transfer(2, 1, 140.0))
    event = identity(STREAM, late, "transaction", None)
    outcome = expected(late.data, late.arrived, run.final.bank)
    assert outcome.status == 1, "the balance after the transfer and the payment allows it"
    first = {"id": 50, "event_id": event, "applied_at": earlier["applied_at"] - timedelta(hours=1), **outcome.columns}
    run.final.rows["transactions"].append(first)
    assert "I14" in violated(replace(run, messages=[*run.messages, late]))


def test_the_facts_of_a_message_name_its_place_and_nothing_of_its_content() -> None:
    names = " ".join(sighting.name for sighting in Facts(sound_run()).sightings)
    assert "card_transaction at shard 105/0" in names
    assert str(CARD) not in names
