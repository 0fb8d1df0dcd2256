"""Faults of Kinesis, DynamoDB and SES, and of the producers before them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from pipeline.aws import Aws
from tests.contract.misbehaving import BrokenOffError, Forward, Message, RefusedError
from tests.faults.fault import Fault, listed
from tests.faults.scene import Scene

KINESIS = frozenset({"GetRecords", "GetShardIterator", "ListShards", "DescribeStreamSummary"})
DYNAMODB = frozenset({"BatchGetItem", "BatchWriteItem", "DescribeTable", "GetItem", "PutItem", "Scan", "UpdateItem"})
WRITES = frozenset({"BatchWriteItem", "PutItem", "UpdateItem"})
TOO_LARGE = 900_000
"""Bytes of a message: a record of Kinesis holds it, an item of DynamoDB (400 KB) does not."""

Around = Callable[[str, Message, Forward], Message]


@contextmanager
def _around(scene: Scene, around: Around) -> Iterator[None]:
    scene.aws.around = around
    try:
        yield
    finally:
        scene.aws.behave()


def _lasts(scene: Scene, name: str, around: Around, fired: list[str], at_least: int, seconds: float = 0.0) -> None:
    """Let AWS answer so until it has so often, and for so long at least."""
    job = scene.working()
    until = time.monotonic() + (seconds if scene.long else min(seconds, 3.0))
    wanted = at_least * (10 if scene.long else 1)
    with _around(scene, around):
        scene.until(
            lambda: (len(fired) >= wanted and time.monotonic() >= until) or not job.running, f"it fires {wanted} times"
        )
    scene.hits[name] += len(fired)


def throttled(scene: Scene, name: str, operations: frozenset[str], code: str) -> None:
    """Half of all calls are refused."""
    fired: list[str] = []

    def around(operation: str, request: Message, forward: Forward) -> Message:
        if operation in operations and scene.random.random() < 0.5:
            fired.append(operation)
            raise RefusedError.named(code)
        return forward(request)

    _lasts(scene, name, around, fired, at_least=10)


def away(scene: Scene, name: str, operations: frozenset[str]) -> None:
    """No call has an answer, for a minute."""
    fired: list[str] = []

    def around(operation: str, request: Message, forward: Forward) -> Message:
        if operation in operations:
            fired.append(operation)
            raise BrokenOffError
        return forward(request)

    _lasts(scene, name, around, fired, at_least=3, seconds=60.0)


def success_denied(scene: Scene, name: str) -> None:
    """A third of the writes are carried out, and their answers lost."""
    fired: list[str] = []

    def around(operation: str, request: Message, forward: Forward) -> Message:
        answer = forward(request)
        if operation in WRITES and scene.random.random() < 0.3:
            fired.append(operation)
            raise BrokenOffError
        return answer

    _lasts(scene, name, around, fired, at_least=5)


def left_undone(scene: Scene, name: str) -> None:
    """Of each batch of letters only a part is written."""
    fired: list[str] = []

    def around(operation: str, request: Message, forward: Forward) -> Message:
        if operation != "BatchWriteItem":
            return forward(request)
        (table, requests) = next(iter(request["RequestItems"].items()))
        if len(requests) == 1 and scene.random.random() < 0.5:
            return forward(request)
        half = len(requests) // 2
        fired.append(operation)
        if half:
            forward({**request, "RequestItems": {table: requests[:half]}})
        return {"UnprocessedItems": {table: requests[half:]}}

    _lasts(scene, name, around, fired, at_least=5)


def too_large(scene: Scene, name: str) -> None:
    """Messages that no column and no item holds."""
    texts = [b'{"type": "transaction", "status": 0, "memo": "' + b"x" * TOO_LARGE + b'"}', b"x" * TOO_LARGE]
    for _ in range(10 if scene.long else 2):
        scene.working()
        scene.put(("constant", text) for text in texts)
        scene.hits[name] += len(texts)


def iterators_expire(scene: Scene, name: str) -> None:
    throttled(scene, name, frozenset({"GetRecords"}), "ExpiredIteratorException")


def producers_refused(scene: Scene, name: str) -> None:
    """Of each PutRecords a third is refused; producers put it again."""
    fired: list[str] = []

    def around(operation: str, request: Message, forward: Forward) -> Message:
        if operation != "PutRecords":
            return forward(request)
        refused = [scene.random.random() < 0.3 for _ in request["Records"]]
        kept = [record for record, no in zip(request["Records"], refused, strict=True) if not no]
        results = iter(forward({**request, "Records": kept})["Records"] if kept else [])
        fired.extend(operation for no in refused if no)
        throttle = {"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "as told"}
        return {"Records": [throttle if no else next(results) for no in refused], "FailedRecordCount": sum(refused)}

    direct = scene.stream.client
    scene.stream.client = Aws("us-east-1", "test", "test", (("AWS_ENDPOINT_URL", scene.aws.url),)).client("kinesis")
    try:
        _lasts(scene, name, around, fired, at_least=50)
    finally:
        scene.stream.client = direct


def mails_refused(scene: Scene, name: str) -> None:
    """SES throttles, then refuses some mails for good; one in two of the rest goes through."""
    codes = ["Throttling"] * 3 + ["MessageRejected", "", "Throttling", "", "ServiceUnavailable", ""]
    scene.working()
    before = scene.mailbox.refused
    scene.mailbox.refuse = lambda: scene.random.choice(codes)
    scene.until(lambda: scene.mailbox.refused >= before + (30 if scene.long else 4), "SES refuses")
    scene.mailbox.refuse = str
    scene.hits[name] += scene.mailbox.refused - before


FAULTS = listed(
    Fault(
        "Kinesis throttled",
        "half of all calls are refused with ProvisionedThroughputExceededException",
        partial(throttled, operations=KINESIS, code="ProvisionedThroughputExceededException"),
    ),
    Fault("Kinesis away", "no call has an answer for 60 s", partial(away, operations=KINESIS), 0.5, rounds=1),
    Fault("iterators expire", "half of all GetRecords are refused with ExpiredIteratorException", iterators_expire),
    Fault("PutRecords refused in part", "a third of each PutRecords is refused", producers_refused),
    Fault(
        "DynamoDB throttled",
        "half of all calls are refused with ProvisionedThroughputExceededException",
        partial(throttled, operations=DYNAMODB, code="ProvisionedThroughputExceededException"),
    ),
    Fault("DynamoDB away", "no call has an answer for 60 s", partial(away, operations=DYNAMODB), 0.5, rounds=1),
    Fault("DynamoDB denies a success", "a third of the writes is carried out, and the answer lost", success_denied),
    Fault("letters left undone", "of each BatchWriteItem half is left unprocessed", left_undone),
    Fault("letters too large", "messages of 900 KB that no row can hold; an item holds 400 KB", too_large),
    Fault("SES refuses", "mails are throttled, refused for good, or SES is away", mails_refused),
)
