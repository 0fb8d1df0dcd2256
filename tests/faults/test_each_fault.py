"""Every fault strikes the job in mid-batch, without Spark; everything that was promised holds, in every snapshot."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.catalogue import FAULTS
from tests.faults.fault import offered
from tests.faults.round import play
from tests.faults.scene import Ground, ground

pytestmark = pytest.mark.timeout(600)  # seconds, on a machine that is not busy with other things
SPREAD, WHOLE = 1, 2
"""Seeds: the records of one shard are spread over the partitions; partitions have whole shards."""
QUICK = {
    "killed among the effects": WHOLE,
    "killed before the checkpoint": SPREAD,
    "driver killed": SPREAD,
    "worker killed": WHOLE,
    "database killed": SPREAD,
    "database read-only": WHOLE,
    "disk full": WHOLE,
    "Kinesis throttled": WHOLE,
    "DynamoDB denies a success": SPREAD,
    "letters left undone": SPREAD,
    "letters too large": WHOLE,
    "SES refuses": SPREAD,
}
"""Those whose rounds take seconds: `make faults` has the others, and these with the other seed, as well."""


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """Servers that may be killed."""
    with ground(tmp_path_factory.mktemp("ground")) as servers:
        yield servers


@pytest.mark.parametrize(
    ("name", "seed"),
    [
        pytest.param(fault.name, seed, marks=() if QUICK.get(fault.name) == seed else pytest.mark.soak)
        for fault in offered(FAULTS.values(), spark=False)
        for seed in (SPREAD, WHOLE)
    ],
)
def test_nothing_is_lost_repeated_or_misapplied(here: Ground, tmp_path: Path, name: str, seed: int) -> None:
    played = play(here, tmp_path, seed, [FAULTS[name]])
    assert played.violations == []
    assert played.hits[name] > 0


def test_faults_that_a_seed_picks_do_no_harm_together(here: Ground, tmp_path: Path) -> None:
    played = play(here, tmp_path, 34, offered(FAULTS.values(), spark=False), chaos=True)
    assert played.violations == []
    assert len(played.faults) > 1
    assert played.left > 0


@pytest.mark.parametrize("seed", [SPREAD, pytest.param(WHOLE, marks=pytest.mark.soak)])
def test_nothing_is_lost_repeated_or_misapplied_with_spark(here: Ground, tmp_path: Path, seed: int) -> None:
    names = ["worker killed", "database killed", "job killed", "COMMIT cut", "driver killed"]
    played = play(here, tmp_path, seed, [FAULTS[name] for name in names], spark=True)
    assert played.violations == []
    assert all(played.hits[name] for name in names)
