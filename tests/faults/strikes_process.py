"""Faults of the job's own processes, its clock, and what may be run again."""

from __future__ import annotations

import signal
from functools import partial

from tests.faults.fault import Fault, listed
from tests.faults.rigged import POINTS
from tests.faults.scene import A_BATCH, Scene
from tests.processes import in_session, kill_all
from tests.servers import spark_cluster

HOUR = 3600
DIED = (("failures_total", "fate", "TaskDied"),)
REPEATED = (("messages_total", "outcome", "duplicate"),)


def dies(scene: Scene, name: str, point: str) -> None:
    """The job and all it started are killed at the point; another follows, and again."""
    for _ in range(10 if scene.long else 1):
        scene.end()
        scene.send(2 * A_BATCH)
        job = scene.launch(dies=point, at=scene.random.randint(1, 3))
        assert job.exit_code() == -signal.SIGKILL, job.tail
        assert [line["point"] for line in job.lines("killed")] == [point]
        scene.hits[name] += 1
        scene.kills += 1


def killed(scene: Scene, name: str, driver_alone: bool) -> None:
    for _ in range(3 if scene.long else 1):
        job = scene.working()
        job.kill9_driver() if driver_alone else job.kill9()
        scene.hits[name] += 1
        scene.kills += 1


def asked_to_stop(scene: Scene, name: str) -> None:
    for _ in range(5 if scene.long else 1):
        job = scene.working()
        ended = len(job.batches)
        job.terminate()
        assert job.exit_code() == 0, job.tail
        assert len(job.batches) <= ended + 1, "the batch in flight was finished, and no other begun"
        scene.hits[name] += 1


def worker_killed(scene: Scene, name: str) -> None:
    """Each time that a worker has been at work for a moment; what it was at is done again."""
    for _ in range(5 if scene.long else 2):
        job = scene.working()
        workers = [line["pid"] for line in job.lines("worker")[-2:]]
        scene.hits[name] += kill_all(in_session(job.pid, b"pyspark.daemon") if scene.spark else workers)
        scene.more("batch")


def executor_killed(scene: Scene, name: str) -> None:
    """On a cluster; the Worker starts another, and Spark runs the tasks there."""
    with spark_cluster(cores=2) as cluster:
        job = scene.relaunch(settings={"SPARK_MASTER": cluster.url, "SPARK_ALLOW_PLAINTEXT": "true"})
        job.wait_for("batch")
        for _ in range(10 if scene.long else 2):
            scene.working()
            scene.hits[name] += kill_all(in_session(cluster.workers[0].pid, b"CoarseGrainedExecutorBackend"))
            scene.more("batch", 2)
        scene.end()


def replayed(scene: Scene, name: str) -> None:
    job = scene.relaunch(replays=True)
    scene.more("replayed", 3)
    scene.end()
    scene.hits[name] += len(job.lines("replayed"))


def clock_stepped(scene: Scene, name: str, seconds: int) -> None:
    job = scene.relaunch(clock=str(scene.clock))
    scene.working()
    for ahead in (seconds, 0):
        scene.clock.write_text(str(ahead))
        scene.more("batch", 2)
    scene.hits[name] += len(job.lines("clock stepped"))
    scene.end()


def _deaths() -> list[Fault]:
    return [
        Fault(
            f"killed {point}",
            f"the job and all its processes are killed (SIGKILL) {point}, and another is started",
            partial(dies, point=point),
            rounds=1,
        )
        for point in POINTS
    ]


FAULTS = listed(
    *_deaths(),
    Fault(
        "job killed", "SIGKILL to all its processes in mid-batch", partial(killed, driver_alone=False), 2, spark=True
    ),
    Fault(
        "driver killed", "SIGKILL to the driver alone in mid-batch", partial(killed, driver_alone=True), 2, spark=True
    ),
    Fault("job asked to stop", "SIGTERM in mid-batch, and another is started", asked_to_stop, spark=True),
    Fault(
        "worker killed",
        "SIGKILL to the processes that run tasks, in mid-batch",
        worker_killed,
        2,
        spark=True,
        shown=DIED,
    ),
    Fault(
        "executor killed",
        "SIGKILL to the executor of a Spark cluster, in mid-batch",
        executor_killed,
        0.2,
        rounds=1,
        spark=True,
        only_spark=True,
    ),
    Fault("batch replayed", "every second batch is run twice, its first reports lost", replayed, shown=REPEATED),
    Fault(
        "clock an hour ahead",
        "the job's clock steps ahead in mid-batch, and back later",
        partial(clock_stepped, seconds=HOUR),
        0.5,
    ),
    Fault(
        "clock an hour behind",
        "the job's clock steps back in mid-batch, and ahead later",
        partial(clock_stepped, seconds=-HOUR),
        0.5,
    ),
)
