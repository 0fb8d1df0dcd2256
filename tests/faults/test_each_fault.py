"""Every fault strikes the job in mid-batch, without Spark; everything that was promised holds, in every snapshot."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

import pytest

from tests.faults.catalogue import FAULTS
from tests.faults.fault import offered
from tests.faults.round import play
from tests.faults.scene import Ground, ground

pytestmark = pytest.mark.timeout(600)  # seconds, on a machine that is not busy with other things
SEEDS = (1, 2)
"""Of the faults by turns: with one shard, and with more than there are partitions."""
QUICK = {
    *("killed among the effects", "killed before the checkpoint", "driver killed", "worker killed"),
    *("database killed", "database read-only", "disk full", "Kinesis throttled"),
    *("DynamoDB denies a success", "letters left undone", "letters too large", "SES refuses"),
}
"""Those whose rounds take seconds: `make soak` has the others as well."""


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """Servers that may be killed."""
    with ground(tmp_path_factory.mktemp("ground")) as servers:
        yield servers


@pytest.mark.parametrize(
    ("name", "seed"),
    [
        pytest.param(fault.name, seed, marks=() if fault.name in QUICK else pytest.mark.soak)
        for fault, seed in zip(offered(FAULTS.values(), spark=False), cycle(SEEDS))
    ],
)
def test_nothing_is_lost_repeated_or_misapplied(here: Ground, tmp_path: Path, name: str, seed: int) -> None:
    played = play(here, tmp_path, seed, [FAULTS[name]])
    assert played.violations == []
    assert played.hits[name] > 0


def test_faults_that_a_seed_picks_do_no_harm_together(here: Ground, tmp_path: Path) -> None:
    played = play(here, tmp_path, 17, offered(FAULTS.values(), spark=False), chaos=True)
    assert played.violations == []
    assert len(played.faults) > 1


def test_nothing_is_lost_repeated_or_misapplied_with_spark(here: Ground, tmp_path: Path) -> None:
    names = ["worker killed", "database killed", "job killed", "COMMIT cut", "driver killed"]
    played = play(here, tmp_path, 2, [FAULTS[name] for name in names], spark=True)
    assert played.violations == []
    assert all(played.hits[name] for name in names)
