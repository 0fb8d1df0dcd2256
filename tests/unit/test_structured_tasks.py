"""What surrounds the work of a task of the analytics."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.runtime.errors import Transient
from pipeline.structured import tasks


def work(partition: int, batches: Iterator[Any]) -> int:
    if partition == 7:
        raise Transient("away")
    return partition + sum(1 for _ in batches)


@pytest.mark.parametrize(("partition", "told"), [(3, "5"), (7, "away")])
def test_a_task_tells_its_outcome_and_tidies_up_after_it(
    monkeypatch: pytest.MonkeyPatch, partition: int, told: str
) -> None:
    tidied: list[str] = []
    context = SimpleNamespace(get=lambda: SimpleNamespace(partitionId=lambda: partition))
    monkeypatch.setattr(tasks, "TaskContext", context)
    monkeypatch.setattr(tasks, "tidy", tidied.append)
    told_by = iter(tasks._Reporting(work)(iter(["a", "b"])))
    (outcome,) = next(told_by).to_pydict()["outcome"]
    assert str(pickle.loads(outcome)) == told
    assert tidied == [], "what it has to tell goes out first"
    assert list(told_by) == []
    assert tidied == ["function"]


def test_a_task_reads_all_that_it_was_given_whatever_its_work_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "TaskContext", SimpleNamespace(get=lambda: SimpleNamespace(partitionId=lambda: 0)))
    monkeypatch.setattr(tasks, "tidy", lambda _: None)
    for work in (lambda *_: None, lambda *_: (_ for _ in ()).throw(Transient("away"))):
        given = iter(["a", "b"])
        assert len(list(tasks._Reporting(work)(given))) == 1
        assert next(given, None) is None, "or Spark ends the worker"
