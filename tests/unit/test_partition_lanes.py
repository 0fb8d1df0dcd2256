"""Which lane of a partition a record goes to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from bank.tables import BankStore
from benchmarks.workload import Workload, router
from pipeline.applying import partition
from pipeline.applying.applied import Applied
from pipeline.applying.partition import Partition
from pipeline.aws import Aws
from pipeline.dead_letters.table import DeadLetters
from pipeline.messages.records import Extent, Position, Record
from pipeline.mysql.database import Database


@pytest.mark.parametrize("partitions", [1, 2])
def test_records_of_one_ordering_key_meet_in_one_lane_in_their_order(
    monkeypatch: pytest.MonkeyPatch, partitions: int
) -> None:
    shares: list[Sequence[Record]] = []

    def run(_: Any, records: Sequence[Record]) -> Applied:
        shares.append(records)
        return Applied()

    monkeypatch.setattr(partition._LaneRun, "run", run)
    routes = router()
    whole = Extent("a", list(Workload(600, 1_900_000_000_000, accounts=100).records()), Position(600), 0, True)
    nowhere, nobody = Database("", 0, "", "", ""), DeadLetters(Aws(""), "", "")
    for _, block in routes.split(whole, partitions):
        Partition(routes, BankStore(), nowhere, nobody, partitions, 3, 10).apply([block])
    keys = [{routes.key_of(record) for record in share} for share in shares]
    assert len(shares) == 3 * partitions and all(keys), "a lane is idle"
    assert sum(map(len, keys)) == len(set().union(*keys)), "a key is in two lanes"
    assert sum(map(len, shares)) == 600
    for share in shares:
        assert [record.position for record in share] == sorted(record.position for record in share)
