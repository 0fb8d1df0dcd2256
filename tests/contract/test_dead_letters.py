"""Dead letters against DynamoDB: nothing is lost, nothing is twice, nothing is too large."""

from __future__ import annotations

import json
import pickle
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from pipeline.aws import Aws
from pipeline.dead_letters.items import StoredLetter
from pipeline.dead_letters.table import DeadLetters, open_letters
from pipeline.messages.identity import letter_key
from pipeline.messages.records import Letter, Record
from pipeline.runtime.errors import Fatal, Halted, Transient

Answer = Callable[[str, dict[str, Any]], tuple[int, dict[str, Any]]]
"""(operation, request) → HTTP status and answer."""


def aws_at(url: str) -> Aws:
    return Aws("us-east-1", "test", "test", (("AWS_ENDPOINT_URL", url),))


@pytest.fixture
def letters(moto: str) -> DeadLetters:
    table = DeadLetters(aws_at(moto), f"letters-{uuid.uuid4()}", "byte-henry")
    table.ensure()
    return table


def letter(number: int, payload: Mapping[str, object] | None = None, reason: str = "missing_field") -> Letter:
    arrived_ms = 1_633_519_727_209 + number % 1000
    record = Record("shardId-000000000000", str(10**55 + number % 10**9), number % 3, arrived_ms, b"")
    identity = number.to_bytes(16, "big")
    return Letter(identity, record, "transaction", reason, f"{reason}: memo", dict(payload or {}), 120, "ab" * 32)


def stored(table: DeadLetters) -> dict[int, StoredLetter]:
    return {found.key: found for found in table.scan()}


def test_a_letter_is_read_back_as_it_was_written(letters: DeadLetters) -> None:
    payload: dict[str, object] = {
        "id": 7,
        "memo": "",
        "transfer_value": Decimal("-1234.50"),
        "location": None,
        "status": 0,
        "large": Decimal("1E+20"),
    }
    first, second = letter(2**127, payload), letter(3, reason="not_json")
    letters.write([first, second])
    found = stored(letters)
    assert {key: value.letter for key, value in found.items()} == {
        letter_key(first.identity): first,
        letter_key(second.identity): second,
    }
    assert {value.stream for value in found.values()} == {"byte-henry"}
    kept = found[letter_key(first.identity)].letter.payload
    assert {name: type(value) for name, value in kept.items()} == {name: type(value) for name, value in payload.items()}


def test_a_letter_of_unknown_type_has_no_type(letters: DeadLetters) -> None:
    unknown = Letter(bytes(16), letter(1).record, None, "unknown_type", "", {}, 3, "")
    letters.write([unknown])
    assert [found.letter for found in letters.scan()] == [unknown]


def test_many_letters_are_all_there_and_scanned_over_pages(letters: DeadLetters) -> None:
    memo = "x" * 1000
    letters.write([letter(number, {"memo": memo, "note": memo}) for number in range(1003)])
    found = list(letters.scan())
    assert len(found) == 1003
    assert {one.letter.identity for one in found} == {letter(number).identity for number in range(1003)}


def test_writing_a_letter_again_keeps_its_first_time_and_counts_the_attempt(letters: DeadLetters) -> None:
    letters.write([letter(number) for number in range(130)])
    before = stored(letters)
    letters.write([letter(number, reason="overflow") for number in range(120, 140)])
    after = stored(letters)
    assert len(after) == 140
    again = [after[key] for key in range(120, 130)]
    assert [one.attempts for one in again] == [2] * 10
    assert [one.first_seen for one in again] == [before[key].first_seen for key in range(120, 130)]
    assert all(one.last_seen > before[one.key].last_seen and one.letter.reason == "overflow" for one in again)
    assert [after[key].attempts for key in (119, 130)] == [1, 1]


def test_of_two_letters_with_one_key_the_first_counts(letters: DeadLetters) -> None:
    letters.write([letter(5, reason="first"), letter(6), letter(5, reason="second")])
    found = stored(letters)
    assert sorted(found) == [5, 6]
    assert found[5].letter.reason == "first"
    assert found[5].attempts == 1


def test_no_message_is_too_odd_or_too_large_for_an_item(letters: DeadLetters) -> None:
    odd: dict[str, object] = {f"f{number}": "€" * 500_000 for number in range(60)}
    odd = {
        "surrogate": "half \ud800 pair",
        "nan": Decimal("NaN"),
        "infinite": Decimal("-Infinity"),
        "huge": Decimal("1E+400"),
        "tiny": Decimal("1E-400"),
        "digits": Decimal("1." + "3" * 60),
        "long": 10**5000 + 1,
        "list": [1],
        **odd,
    }
    letters.write([letter(1, odd)])
    (found,) = letters.scan()
    payload = found.letter.payload
    assert payload["surrogate"] == "half ? pair"
    assert [payload[name] for name in ("nan", "infinite")] == ["NaN", "-Infinity"]
    assert payload["huge"] == f"1.{'0' * 37}E+400"
    assert payload["digits"] == f"1.{'3' * 37}E+0"
    assert payload["long"] == f"1.{'0' * 37}E+5000"
    assert "list" not in payload
    assert payload["f0"] == "€" * 1024
    assert len(payload) == 39, "40 fields, one of them no scalar"
    assert sum(len(str(value).encode()) for value in payload.values()) < 300_000


def test_deleted_letters_are_gone_and_the_rest_stays(letters: DeadLetters) -> None:
    letters.write([letter(number) for number in range(60)])
    letters.delete([*range(55), 7, 999])
    assert sorted(stored(letters)) == [55, 56, 57, 58, 59]


def test_items_of_the_former_service_are_passed_by(letters: DeadLetters) -> None:
    client = letters.aws.client("dynamodb")
    client.put_item(TableName=letters.table, Item={"key": {"N": "40000"}, "memo": {"S": "old"}})
    letters.write([letter(1)])
    assert list(stored(letters)) == [1]
    letters.write([letter(40000)])
    assert stored(letters)[40000].attempts == 1


def test_ensure_leaves_a_table_that_is_there(letters: DeadLetters) -> None:
    letters.write([letter(1)])
    letters.ensure()
    assert list(stored(letters)) == [1]


def test_a_table_with_another_key_is_refused(moto: str) -> None:
    table = DeadLetters(aws_at(moto), f"other-{uuid.uuid4()}", "byte-henry")
    table.aws.client("dynamodb").create_table(
        TableName=table.table,
        KeySchema=[{"AttributeName": "leaseKey", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "leaseKey", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    with pytest.raises(Fatal, match="FAILOVER_TABLE"):
        table.ensure()


def test_a_missing_table_stops_the_batch(moto: str) -> None:
    with pytest.raises(Halted, match="ResourceNotFoundException"):
        DeadLetters(aws_at(moto), "nowhere", "byte-henry").write([letter(1)])


def test_a_pickled_table_writes_as_well(letters: DeadLetters) -> None:
    pickle.loads(pickle.dumps(letters)).write([letter(1)])
    assert list(stored(letters)) == [1]


@contextmanager
def dynamodb(answer: Answer) -> Iterator[str]:
    """A DynamoDB that answers as told: no emulator throttles, or leaves a part of a batch undone."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, body = answer(self.headers["X-Amz-Target"].partition(".")[2], request)
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_what_dynamodb_leaves_undone_is_asked_again() -> None:
    """Every answer does three of what is asked, and half of the calls are throttled."""
    lock = threading.Lock()
    calls, read, written = [0], set[str](), dict[str, dict[str, Any]]()

    def answer(operation: str, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        (table,) = request["RequestItems"]
        wanted = request["RequestItems"][table]
        with lock:
            calls[0] += 1
            if calls[0] % 2:
                return 400, {"__type": "com.amazonaws.dynamodb.v20120810#ThrottlingException"}
            if operation == "BatchWriteItem":
                written.update({one["PutRequest"]["Item"]["key"]["N"]: one["PutRequest"]["Item"] for one in wanted[:3]})
                return 200, {"UnprocessedItems": {table: wanted[3:]} if wanted[3:] else {}}
            done, left = wanted["Keys"][:3], wanted["Keys"][3:]
            read.update(one["key"]["N"] for one in done)
            seen = {"first_seen": {"S": "2021-01-01T00:00:00.000+00:00"}, "attempts": {"N": "4"}}
            again = {table: {**wanted, "Keys": left}} if left else {}
            return 200, {"Responses": {table: [{**one, **seen} for one in done]}, "UnprocessedKeys": again}

    with dynamodb(answer) as url:
        DeadLetters(aws_at(url), "letters", "byte-henry").write([letter(number) for number in range(8)])
    assert read == set(written) == {str(number) for number in range(8)}
    assert {item["attempts"]["N"] for item in written.values()} == {"5"}
    assert {item["first_seen"]["S"][:10] for item in written.values()} == {"2021-01-01"}


def test_throttling_that_does_not_end_is_transient_after_the_deadline() -> None:
    def answer(operation: str, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        (table,) = request["RequestItems"]
        if operation == "BatchGetItem":
            return 200, {"Responses": {table: []}, "UnprocessedKeys": {}}
        return 200, {"UnprocessedItems": request["RequestItems"]}

    with dynamodb(answer) as url, pytest.raises(Transient, match="dead letters"):
        DeadLetters(aws_at(url), "letters", "byte-henry", seconds=0.3).write([letter(number) for number in range(200)])


def test_what_dynamodb_refuses_for_good_is_halted_without_a_value() -> None:
    def answer(operation: str, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        return 400, {"__type": "com.amazon.coral#ValidationException", "message": "memo: secret-memo"}

    with dynamodb(answer) as url, pytest.raises(Halted, match="ValidationException") as raised:
        DeadLetters(aws_at(url), "letters", "byte-henry").write([letter(1, {"memo": "secret-memo"})])
    assert "secret-memo" not in str(raised.value)


def test_a_row_outranks_a_letter() -> None:
    asked: list[int] = []
    found = [
        StoredLetter(letter(number), "byte-henry", 1, letter(1).record.arrived, letter(1).record.arrived)
        for number in range(1203)
    ]

    def rows_exist(identities: object) -> set[bytes]:
        assert isinstance(identities, list)
        asked.append(len(identities))
        return {letter(number).identity for number in range(0, 1203, 2)}

    assert [one.key for one in open_letters(found, rows_exist)] == list(range(1, 1203, 2))
    assert asked == [500, 500, 203]
