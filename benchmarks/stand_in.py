"""A stream that costs next to nothing: records encoded beforehand, behind the part of Kinesis' API that a job uses.

    python -m benchmarks.stand_in PORT '{"count": 1000, "began_ms": 1700000000000}' http://127.0.0.1:5000

A record is there from its arrival on: a workload of the past is a backlog, one of the future arrives at its rate, and
`begin` moves all of it to the present once everything is ready for that.

It throttles where the workload says so, its iterators never expire, and nothing can be put. It also takes the batches
of dead letters, which the emulator at the last address would spend 600 µs each on; DynamoDB's other calls go on to it.
"""

from __future__ import annotations

import base64
import json
import socket
import sys
import time
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import msgspec
import urllib3

from benchmarks.limits import MOST_BYTES, MOST_RECORDS, Limits, Throttled
from benchmarks.workload import FIRST_SEQUENCE, STREAM, Workload, shard_id
from pipeline.kinesis.aggregation import UserRecord, pack
from pipeline.messages.records import Record
from tests.processes import Process, free_port
from tests.servers import HERE, ROOT, Endpoint

HASH_KEYS = 2**128
STAMP = len("1700000000.000}")
"""Bytes that an entry ends with: when it arrived."""


class Shard:
    """The records of one shard, each ready to be joined into an answer. `limits`: None is none."""

    def __init__(self, limits: Limits | None) -> None:
        self.limits = limits
        self.sizes = [0]
        """Bytes of all records before each, and of all."""
        self.entries: list[bytes] = []
        self.sequences: list[int] = []
        self.arrivals: list[int] = []

    def add(self, record: Record) -> None:
        """Append the newest record."""
        self.entries.append(
            b'{"SequenceNumber":"%s","PartitionKey":"p","Data":"%s","ApproximateArrivalTimestamp":%s'
            % (record.sequence.encode(), base64.b64encode(record.data), _stamp(record.arrived_ms))
        )
        self.sizes.append(self.sizes[-1] + len(record.data) + 1)
        self.sequences.append(int(record.sequence))
        self.arrivals.append(record.arrived_ms)

    def postpone(self, by_ms: int) -> None:
        """Let everything arrive so much later."""
        self.arrivals = [arrived + by_ms for arrived in self.arrivals]
        self.entries = [entry[:-STAMP] + _stamp(at) for entry, at in zip(self.entries, self.arrivals, strict=True)]

    def arrived(self, now_ms: float) -> int:
        """How many records are there."""
        return bisect_right(self.arrivals, now_ms)

    def index_of(self, request: Mapping[str, Any], now_ms: float) -> int:
        """Where an iterator of GetShardIterator's five types begins. Raises `Throttled`."""
        if self.limits:
            self.limits.let("GetShardIterator")
        kind = request["ShardIteratorType"]
        if kind == "AT_TIMESTAMP":
            return bisect_left(self.arrivals, request["Timestamp"] * 1000)
        if kind in ("AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER"):
            after = kind == "AFTER_SEQUENCE_NUMBER"
            return bisect_left(self.sequences, int(request["StartingSequenceNumber"]) + after)
        return 0 if kind == "TRIM_HORIZON" else self.arrived(now_ms)

    def answer(self, name: str, start: int, limit: int, now_ms: float) -> bytes:
        """GetRecords: what is there from `start` on. Raises `Throttled`."""
        if self.limits:
            self.limits.let("GetRecords")
        there = self.arrived(now_ms)
        fits = bisect_right(self.sizes, self.sizes[min(start, there)] + MOST_BYTES) - 1
        end = max(start, min(start + limit, there, max(fits, start + 1)))
        if self.limits:
            self.limits.give(self.sizes[min(end, there)] - self.sizes[min(start, there)])
        behind_ms = max(1, int(now_ms) - self.arrivals[end - 1]) if 0 < end < there else 0
        return b'{"Records":[%s],"NextShardIterator":"%s %d","MillisBehindLatest":%d}' % (
            b",".join(self.entries[start:end]),
            name.encode(),
            end,
            behind_ms,
        )


def _stamp(arrived_ms: int) -> bytes:
    return b"%10d.%03d}" % divmod(arrived_ms, 1000)


class Stream:
    """The answers, by the name of the call."""

    def __init__(self, workload: Workload) -> None:
        self._began_ms = workload.began_ms
        self._shards = {
            shard_id(number): Shard(Limits() if workload.limits else None) for number in range(workload.shards)
        }
        self._width = HASH_KEYS // workload.shards
        for record in self._aggregated(workload) if workload.aggregate else workload.records():
            self._shards[record.shard].add(record)
        self.calls: dict[str, Callable[[dict[str, Any]], bytes]] = {
            "DescribeStreamSummary": self._describe,
            "ListShards": self._list_shards,
            "GetShardIterator": self._iterator,
            "GetRecords": self._records,
        }

    def told(self) -> Counter[str]:
        """How many calls the limits have let through and refused."""
        return sum((shard.limits.told for shard in self._shards.values() if shard.limits), Counter())

    def begin(self, at_ms: int) -> None:
        """Let the first record arrive then, and the others after it."""
        for shard in self._shards.values():
            shard.postpone(at_ms - self._began_ms)
        self._began_ms = at_ms

    def _aggregated(self, workload: Workload) -> Iterator[Record]:
        """A KPL aggregate of each shard's next messages, with the sequence number of the first."""
        waiting: dict[str, list[Record]] = {shard: [] for shard in self._shards}
        for record in workload.records():
            waiting[record.shard].append(record)
        for number, records in enumerate(waiting.values()):
            for start in range(0, len(records), workload.aggregate):
                part = records[start : start + workload.aggregate]
                users = [UserRecord("p", record.data, number * self._width) for record in part]
                yield msgspec.structs.replace(part[0], data=pack(users))

    def _describe(self, request: dict[str, Any]) -> bytes:
        summary = {
            "StreamName": STREAM,
            "StreamARN": f"arn:aws:kinesis:us-east-1:123456789012:stream/{STREAM}",
            "StreamStatus": "ACTIVE",
            "RetentionPeriodHours": 24,
            "StreamCreationTimestamp": 0,
            "EnhancedMonitoring": [],
            "EncryptionType": "NONE",
            "OpenShardCount": len(self._shards),
        }
        return json.dumps({"StreamDescriptionSummary": summary}).encode()

    def _list_shards(self, request: dict[str, Any]) -> bytes:
        """All of them, whatever the filter: every shard is open, and has been from the start."""
        width = self._width
        shards = [
            {
                "ShardId": shard,
                "HashKeyRange": {
                    "StartingHashKey": str(number * width),
                    "EndingHashKey": str(
                        HASH_KEYS - 1 if number + 1 == len(self._shards) else (number + 1) * width - 1
                    ),
                },
                "SequenceNumberRange": {"StartingSequenceNumber": str(FIRST_SEQUENCE)},
            }
            for number, shard in enumerate(self._shards)
        ]
        return json.dumps({"Shards": shards}).encode()

    def _iterator(self, request: dict[str, Any]) -> bytes:
        shard = request["ShardId"]
        index = self._shards[shard].index_of(request, time.time() * 1000)
        return json.dumps({"ShardIterator": f"{shard} {index}"}).encode()

    def _records(self, request: dict[str, Any]) -> bytes:
        name, _, start = request["ShardIterator"].partition(" ")
        limit = min(request.get("Limit", MOST_RECORDS), MOST_RECORDS)
        return self._shards[name].answer(name, int(start), limit, time.time() * 1000)


class Letters:
    """Takes every letter: none was there before."""

    def __init__(self) -> None:
        self._keys: set[str] = set()
        self.calls: dict[str, Callable[[dict[str, Any]], bytes]] = {
            "BatchGetItem": self._none,
            "BatchWriteItem": self._take,
        }

    def _none(self, request: dict[str, Any]) -> bytes:
        return json.dumps(
            {"Responses": {table: [] for table in request["RequestItems"]}, "UnprocessedKeys": {}}
        ).encode()

    def _take(self, request: dict[str, Any]) -> bytes:
        for puts in request["RequestItems"].values():
            self._keys.update(put["PutRequest"]["Item"]["key"]["N"] for put in puts)
        return b'{"UnprocessedItems":{}}'

    def count(self) -> int:
        """How many keys were put."""
        return len(self._keys)


class StandInCounts(NamedTuple):
    """What the stand-in has done so far. `letters`: taken. `calls`: let through and refused by the limits."""

    letters: int
    calls: dict[str, int]


class Handler(BaseHTTPRequestHandler):
    """JSON over HTTP: the call is named in a header. GET: the `StandInCounts`. PUT: `begin`."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    stream: Stream
    letters: Letters
    dynamodb: str

    def do_GET(self) -> None:
        self._answer(json.dumps(StandInCounts(self.letters.count(), self.stream.told())).encode())

    def do_PUT(self) -> None:
        self.stream.begin(int(self.rfile.read(int(self.headers["Content-Length"]))))
        self._answer(b"")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        call = self.headers["X-Amz-Target"].partition(".")[2]
        ours = self.stream.calls.get(call) or self.letters.calls.get(call)
        if not ours:
            self._hand_on(body)
            return
        try:
            self._answer(ours(json.loads(body)))
        except Throttled as error:
            refusal = {"__type": "ProvisionedThroughputExceededException", "message": str(error)}
            self._answer(json.dumps(refusal).encode(), 400)

    def _hand_on(self, body: bytes) -> None:
        answer = urllib3.request("POST", self.dynamodb, body=body, headers=dict(self.headers))
        self._answer(answer.data, answer.status)

    def _answer(self, body: bytes, status: int = 200) -> None:
        head = b"HTTP/1.1 %d -\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: %d\r\n\r\n"
        self.wfile.write(head % (status, len(body)) + body)


@contextmanager
def stand_in(workload: Workload, dynamodb: str = "") -> Iterator[Endpoint]:
    """The stream with the workload's messages, and what takes its letters, in a process of its own."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.stand_in", str(port), json.dumps(asdict(workload)), dynamodb]
    with TemporaryDirectory(prefix="stand-in-") as logs:
        process = Process("stand-in", command, Path(logs) / "log", lambda: _listens(port), folder=ROOT)
        process.start()
        try:
            yield Endpoint(f"http://{HERE}:{port}", process)
        finally:
            process.kill9()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HERE, port)) == 0


def begin(stream: Endpoint, at: float) -> None:
    """Let the first record arrive at `at`, in seconds since the epoch, and the others after it."""
    urllib3.request("PUT", stream.url, body=str(int(at * 1000)))


def tally(stream: Endpoint) -> StandInCounts:
    """What it has done so far."""
    return StandInCounts(*urllib3.request("GET", stream.url).json())


def main(port: str, workload: str, dynamodb: str) -> None:
    """Prepare, then serve until the end."""
    Handler.stream, Handler.letters, Handler.dynamodb = Stream(Workload(**json.loads(workload))), Letters(), dynamodb
    ThreadingHTTPServer((HERE, int(port)), Handler).serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
