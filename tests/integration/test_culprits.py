"""One message that its database or its rule cannot take: it becomes a letter, and its neighbours go on."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import mysql.connector
import pytest
from mysql.connector.connection_cext import CMySQLConnection

from bank.ledger import Ledger
from bank.verdict import Verdict
from pipeline.applying.routing import Router
from pipeline.messages.records import Record
from pipeline.messages.usual import UsualDecoder
from pipeline.mysql import session
from pipeline.mysql.session_settings import SERVICE
from pipeline.runtime.errors import Rejected
from stocks import rules as stock_rules
from tests.integration.messages import loan_payment, payment, quote, record, transfer
from tests.integration.small_bank import SmallBank
from tests.schema import Schema
from transactions import messages, rules
from transactions.consumer import Transactions

SIGNAL = "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'cursed'"
CURSED = f"CREATE TRIGGER curse BEFORE INSERT ON transactions FOR EACH ROW IF {{condition}} THEN {SIGNAL}; END IF"


@pytest.fixture
def bank(database: Schema, moto: str) -> SmallBank:
    return SmallBank(database, moto)


def letter(code: int) -> list[str]:
    return [f"letter:refused_by_database: database error {code}"]


def transfers(bank: SmallBank, memos: str) -> tuple[list[Record], int]:
    """A transfer of 1 for each letter of `memos`, all by one account; and that account."""
    owner, other = bank.account("1000.00"), bank.account()
    return [record(transfer(owner, other, memo=memo)) for memo in memos], owner


@pytest.mark.parametrize(
    "memos", ["aaxaa", "xaaaa", "aaaax", "axxaa", "aaaxx", "x" * 12 + "aaa", "a" * 300 + "x" + "a" * 199]
)
def test_a_row_that_a_trigger_of_others_refuses_is_a_letter_and_its_neighbours_apply(
    bank: SmallBank, memos: str
) -> None:
    bank.schema.execute(CURSED.format(condition="NEW.memo = 'x'"))
    sent, owner = transfers(bank, memos)
    bank.apply(*sent)
    assert bank.outcomes(sent) == [letter(1644) if memo == "x" else ["1"] for memo in memos]
    assert bank.balances(owner) == [f"{1000 - memos.count('a')}.00"]
    bank.apply(*sent)
    assert bank.balances(owner) == [f"{1000 - memos.count('a')}.00"]


@pytest.mark.parametrize("before", [0, 30])
def test_what_refuses_everybody_from_some_moment_on_halts_the_batch_and_condemns_nobody(
    bank: SmallBank, before: int
) -> None:
    """As where no partition was made for the day that begins: with `before` messages of the old day in the chunk."""
    bank.schema.execute(CURSED.format(condition="NEW.memo = 'x'"))
    sent, owner = transfers(bank, "a" * before + "x" * 20)
    (report,) = bank.try_to_apply(sent)
    assert (report.fate, report.failure) == ("Halted", "database error 1644")
    assert (bank.letters(), bank.balances(owner)) == ({}, [f"{1000 - before}.00"])
    bank.schema.execute("DROP TRIGGER curse")
    bank.apply(*sent)
    assert bank.outcomes(sent) == [["1"]] * len(sent)


def test_a_message_is_not_condemned_by_a_neighbour_of_another_table(bank: SmallBank) -> None:
    bank.schema.execute(CURSED.format(condition="1 = 1"))
    sent, _ = transfers(bank, "a")
    (report,) = bank.try_to_apply([record(quote()), *sent, record(quote())])
    assert (report.fate, bank.letters()) == ("Halted", {})


@pytest.mark.parametrize("refused_first", [False, True])
@pytest.mark.parametrize("table", ["accounts", "loans"])
def test_balances_that_nobody_can_change_condemn_nobody_though_what_a_rule_refuses_goes_through(
    bank: SmallBank, table: str, refused_first: bool
) -> None:
    """A row alone goes through, and is found when read again: that says nothing of what moves money."""
    bank.schema.execute(f"CREATE TRIGGER curse BEFORE UPDATE ON {table} FOR EACH ROW {SIGNAL}")
    owner, other, loan = bank.account("900.00"), bank.account(), bank.loan("-50.00")
    amounts = (99, 1, 99, 1, 99) if refused_first else (1, 99, 1, 99, 1)
    if table == "accounts":
        sent = [record(transfer(owner, other, 10 * amount)) for amount in amounts]
    else:
        sent = [record(loan_payment(loan, owner, amount)) for amount in amounts]
    for _ in range(2):
        (report,) = bank.try_to_apply(sent)
        assert (report.fate, report.failure, bank.letters()) == ("Halted", "database error 1644", {})
    bank.schema.execute("DROP TRIGGER curse")
    bank.apply(*sent)
    refused = "-1" if table == "accounts" else "-6"
    assert bank.outcomes(sent) == [[refused if amount == 99 else "1"] for amount in amounts]


def test_an_account_that_others_keep_from_changing_condemns_its_payments_and_those_of_others_apply(
    bank: SmallBank,
) -> None:
    frozen, other = bank.account(), bank.account()
    bank.schema.execute(
        f"CREATE TRIGGER curse BEFORE UPDATE ON accounts FOR EACH ROW IF NEW.id = {frozen} THEN {SIGNAL}; END IF"
    )
    sent = [record(transfer(*ends)) for ends in ((other, bank.account()), (frozen, other), (other, bank.account()))]
    bank.apply(*sent)
    assert bank.outcomes(sent) == [["1"], letter(1644), ["1"]]


def test_commits_that_are_refused_for_a_moment_condemn_nobody(bank: SmallBank, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever for: no row is to blame, and a neighbour that goes through without a COMMIT says nothing of it."""
    refusals = iter(range(10))
    commit = CMySQLConnection.commit

    def refuse(connection: CMySQLConnection) -> None:
        if next(refusals, None) is None:
            commit(connection)
        else:
            raise mysql.connector.Error("odd", errno=3999)

    sent, owner = transfers(bank, "a" * 20)
    monkeypatch.setattr(CMySQLConnection, "commit", refuse)
    (report,) = bank.try_to_apply(sent)
    assert (report.fate, report.failure, bank.letters()) == ("Halted", "database error 3999", {})
    bank.apply(*sent)
    assert bank.balances(owner) == ["980.00"]


@pytest.mark.parametrize(
    ("code", "fate"),
    [
        *((code, "Transient") for code in (1206, 1297, 1637, 1689, 3168)),
        *((code, "Halted") for code in (1296, 1598, 1712, 1812, 1814, 1815, 1820, 1932)),
    ],
)
def test_what_fails_in_the_server_condemns_nobody_though_neighbours_go_through(
    bank: SmallBank, code: int, fate: str
) -> None:
    """No room for locks, a damaged page: it may come and go, or be where this row would be."""
    failing = f"SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = {code}"
    bank.schema.execute(CURSED.format(condition="NEW.memo = 'x'").replace(SIGNAL, failing))
    sent, _ = transfers(bank, "aaxaa")
    (report,) = bank.try_to_apply(sent, deadline=0.0)
    assert (report.fate, report.failure, bank.letters()) == (fate, f"database error {code}", {})


def test_a_column_of_others_that_divides_by_zero_condemns_the_quote_that_makes_it(bank: SmallBank) -> None:
    bank.schema.execute("ALTER TABLE stocks ADD COLUMN spread DECIMAL(20,6) AS (high / low) STORED")
    sent = [record(quote(low=low)) for low in (8.0, 0.0, 9.0)]
    bank.apply(*sent)
    assert bank.outcomes(sent) == [["1"], letter(1365), ["1"]]


def test_a_unique_key_of_others_condemns_the_second_of_two(bank: SmallBank) -> None:
    bank.schema.execute("ALTER TABLE transactions ADD UNIQUE INDEX memos (memo)")
    sent, owner = transfers(bank, "abac")
    bank.apply(*sent)
    assert [outcome[0].split(" (")[0] for outcome in bank.outcomes(sent)] == ["1", "1", letter(1062)[0], "1"]
    assert bank.balances(owner) == ["997.00"]


def test_a_text_that_reads_like_the_server_s_message_is_not_taken_for_it(bank: SmallBank) -> None:
    """Its own words, which the server repeats: of a duplicate of the event id, and of the end of the ids."""
    bank.schema.execute("ALTER TABLE transactions ADD UNIQUE INDEX memos (memo)")
    owner, other = bank.account(), bank.account()
    for name in ("transactions_event_id", "transactions.PRIMARY"):
        memo = f"x' for key '{name}'"
        sent = [record(transfer(owner, other, memo=said)) for said in (memo, memo, name)]
        bank.apply(*sent)
        assert [outcome[0][:6] for outcome in bank.outcomes(sent)] == ["1", "letter", "1"]


def test_a_day_without_a_partition_condemns_a_message_of_that_day(bank: SmallBank) -> None:
    for change in (
        "DROP PRIMARY KEY, ADD PRIMARY KEY (id, `timestamp`), DROP INDEX stocks_event_id",
        "ADD UNIQUE INDEX stocks_event_id (event_id, `timestamp`)",
        "PARTITION BY RANGE COLUMNS (`timestamp`) (PARTITION old VALUES LESS THAN ('2022-01-01'))",
    ):
        bank.schema.execute(f"ALTER TABLE stocks {change}")
    sent = [record(quote(timestamp=f"{day} 10:00:00")) for day in ("2021-10-05", "2022-10-06", "2021-10-07")]
    bank.apply(*sent)
    assert bank.outcomes(sent) == [["1"], letter(1526), ["1"]]
    bank.apply(*sent)
    assert len(bank.rows("stocks")) == 2


@pytest.fixture
def foreign_tongue(database: Schema, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A server that tells everybody in German, us too."""
    ours = tuple(setting for setting in SERVICE if setting.name != "lc_messages")
    monkeypatch.setattr(session, "SERVICE", ours)
    database.execute("SET GLOBAL lc_messages = 'de_DE'")
    yield
    database.execute("SET GLOBAL lc_messages = 'en_US'")


@pytest.mark.usefixtures("foreign_tongue")
def test_what_is_read_again_is_found_whatever_language_the_server_speaks(bank: SmallBank) -> None:
    sent, owner = transfers(bank, "abc")
    bank.apply(*sent[:2])
    bank.apply(*sent)
    assert bank.outcomes(sent) == [["1"]] * 3
    assert bank.balances(owner) == ["997.00"]


def odd(message: Any, ledger: Ledger) -> Verdict:
    """A rule with a fault of its own."""
    if message.memo == "x":
        raise TypeError(f"{message.transfer_value} is odd")
    return decide(message, ledger)


decide = rules.decide


@pytest.mark.parametrize("memos", ["aaxaa", "aaaax", "xa"])
def test_a_message_that_breaks_its_rule_is_a_letter_that_tells_no_value_and_its_neighbours_apply(
    bank: SmallBank, memos: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(rules, "decide", odd)
    sent, owner = transfers(bank, memos)
    report = bank.apply(*sent)
    place = f"TypeError at test_culprits.py:{odd.__code__.co_firstlineno + 3}"
    told = [f"letter:unforeseen_error: {place}"]
    assert bank.outcomes(sent) == [told if memo == "x" else ["1"] for memo in memos]
    assert report.outcomes["transaction", "letter:unforeseen_error"] == 1
    assert "message condemned" in (said := capsys.readouterr().out) and place in said
    assert bank.balances(owner) == [f"{1000 - memos.count('a')}.00"]


def test_a_rule_that_breaks_on_everything_halts_the_batch_and_condemns_nobody(
    bank: SmallBank, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "decide", odd)
    sent, _ = transfers(bank, "x" * 20)
    quoted = record(quote())
    (report,) = bank.try_to_apply([*sent, quoted])
    assert (report.fate, report.waits_for) == ("Halted", "a correction of the program")
    assert report.failure is not None and report.failure.startswith("TypeError at test_culprits.py:")
    assert bank.letters() == {}
    monkeypatch.setattr(rules, "decide", decide)
    bank.apply(*sent, quoted)
    assert bank.outcomes(sent) == [["1"]] * len(sent)


def test_a_process_that_has_no_memory_condemns_nobody(bank: SmallBank, monkeypatch: pytest.MonkeyPatch) -> None:
    def starving(message: Any, *rest: Any) -> None:
        if message.price == 13:
            raise MemoryError

    monkeypatch.setattr(stock_rules, "decide", starving)
    sent = [record(quote(price=price)) for price in (12, 13, 14)]
    (report,) = bank.try_to_apply(sent)
    assert report.fate == "Halted"
    assert bank.letters() == {}


def breaking(fields: Any) -> Any:
    """A reader with a fault of its own."""
    if fields["memo"] == "x":
        raise OverflowError(f"{fields['transfer_value']} is odd")
    return parse(fields)


parse = messages.parse


@pytest.mark.parametrize(("memos", "fault"), [("axxa", breaking), ("xa", breaking)])
def test_a_message_that_breaks_its_reader_is_a_letter_that_tells_no_value_and_its_neighbours_apply(
    bank: SmallBank, memos: str, fault: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Transactions, "parse", staticmethod(fault))
    monkeypatch.setattr(Transactions, "payload", staticmethod({}.__getitem__))
    monkeypatch.setattr(Router, "_usual", lambda *_: None)
    sent, owner = transfers(bank, memos)
    bank.apply(*sent, record(quote()))
    monkeypatch.undo()
    place = f"OverflowError at test_culprits.py:{breaking.__code__.co_firstlineno + 3}"
    told = [f"letter:unforeseen_while_reading: {place}"]
    assert bank.outcomes(sent) == [told if memo == "x" else ["1"] for memo in memos]
    assert bank.balances(owner) == [f"{1000 - memos.count('a')}.00"]


def doubtful(*_: Any) -> None:
    raise Rejected("doubt")


def test_a_reader_that_breaks_on_everything_halts_the_batch_and_condemns_nobody(
    bank: SmallBank, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Transactions, "parse", staticmethod(breaking))
    monkeypatch.setattr(Transactions, "ordering_key", staticmethod(breaking))
    monkeypatch.setattr(Router, "_usual", lambda *_: None)
    monkeypatch.setattr(UsualDecoder, "decode", doubtful)
    sent, owner = transfers(bank, "xx")
    (report,) = bank.try_to_apply([record(quote()), *sent])
    assert (report.fate, bank.letters(), bank.balances(owner)) == ("Halted", {}, ["1000.00"])
    assert bank.partition.router.key_of(sent[0]) != bank.partition.router.key_of(sent[1])
    monkeypatch.undo()
    bank.apply(*sent)
    assert bank.outcomes(sent) == [["1"]] * 2


@pytest.mark.parametrize("day", ["0000-00-00", "2025-12-00", "2030-02-31"])
def test_a_card_whose_expiry_is_no_day_has_expired_and_the_others_have_not(bank: SmallBank, day: str) -> None:
    owner, shop = bank.account(), bank.account()
    other = bank.account()
    odd_card, card = bank.card(owner), bank.card(other)
    with bank.schema._cursor() as cursor:
        cursor.execute("SET SESSION sql_mode = 'ALLOW_INVALID_DATES'")
        cursor.execute(f"UPDATE cards SET exp_date = '{day}' WHERE card_num = {odd_card}")
    sent = [record(payment(number, shop)) for number in (card, odd_card, card)]
    bank.apply(*sent)
    assert bank.outcomes(sent) == [["1"], ["-3"], ["1"]]
    assert bank.balances(owner, shop) == ["100.00", "102.00"]


@pytest.fixture
def small_packets(database: Schema) -> Iterator[int]:
    """A server that takes statements of 4 KiB."""
    ((before,),) = database.query("SELECT @@GLOBAL.max_allowed_packet")
    database.execute("SET GLOBAL max_allowed_packet = 4096")
    yield 4096
    database.execute(f"SET GLOBAL max_allowed_packet = {before}")


def test_a_chunk_that_is_longer_than_a_packet_goes_out_in_several(bank: SmallBank, small_packets: int) -> None:
    sent = [record(quote(name="\N{LATIN SMALL LETTER A WITH DIAERESIS}'" * 100, ticker=str(n))) for n in range(400)]
    report = bank.apply(*sent)
    assert report.outcomes == {("stock", "1"): 400}
    assert len(bank.rows("stocks")) == 400


def test_a_chunk_of_more_accounts_than_a_packet_holds_goes_through_in_parts(
    bank: SmallBank, small_packets: int
) -> None:
    owner = bank.account("1000.00")
    others = [bank.account("0.00") for _ in range(300)]
    sent = [record(transfer(owner, other, 1, id=f"{'x' * 40}{other}")) for other in others]
    bank.apply(*sent)
    assert bank.outcomes(sent) == [["1"]] * 300
    assert bank.balances(owner) == ["700.00"]
    assert sum(Decimal(balance) for balance in bank.balances(*others)) == 300
