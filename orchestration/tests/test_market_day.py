"""The trading day, whole and with each step failing, run by Airflow against a cluster that behaves."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from airflow.api.common.mark_tasks import set_dag_run_state_to_failed
from airflow.models.dagrun import DagRun, get_or_create_dagrun
from airflow.providers.standard.sensors.date_time import DateTimeSensorAsync
from airflow.sdk import DAG, timezone
from airflow.sdk.exceptions import TaskDeferralError
from airflow.serialization.serialized_objects import DagSerialization
from airflow.utils.session import create_session
from airflow.utils.state import DagRunState, TaskInstanceState
from airflow.utils.types import DagRunTriggeredByType

from market.clock import Clock
from orchestration import deployments, going_on, steps
from orchestration.command import FeedCommand
from orchestration.session import end_of_day
from orchestration.tests.cluster import Cluster, running
from pipeline.runtime.errors import Transient

pytestmark = pytest.mark.usefixtures("database")

STEPS = ["session", "topics", "stream", "ready", "warm_start", "live", "close", "stop", "stopped"]
NOTHING = {"candles": 0, "dashboard": 0, "feed": 0}
HALF_DAY = datetime(2026, 11, 27, 14, 20, tzinfo=UTC)
HOLIDAY = "2026-11-26T15:00:00+00:00"
SPEED = 6000
"""Of the rehearsal: 3 h 43 min in 2.2 s."""
FEED = """#!/bin/sh
echo "$(date +%s.%N) $3 $SYMBOLS ${AIRFLOW_HOME:-none}" >> "$JOURNAL"
case "$FAILS" in
"$3 "*) echo '{"event": "ended", "level": "error", "reason": "told to fail"}'; exit "${FAILS#* }" ;;
esac
"""
"""In the place of Python: notes what it is called with, and ends as it is told."""


class Day(NamedTuple):
    """What became of a run. `said`: the lines about failures. `calls`: of the feed, as moment, command and symbols."""

    state: str
    steps: dict[str, str]
    said: list[str]
    calls: list[tuple[float, str, str]]


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    feed, kubeconfig = tmp_path / "python", tmp_path / "kubeconfig"
    feed.write_text(FEED)
    feed.chmod(0o755)
    told = {"KUBECONFIG": kubeconfig, "MARKET_PYTHON": feed, "JOURNAL": tmp_path / "journal", "READY_WITHIN": "5"}
    for name, value in told.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setattr(deployments, "LOOK", 0.02)
    monkeypatch.setattr(deployments, "PATIENCE", 1.0)
    hurry(monkeypatch)
    monkeypatch.setattr(steps, "end_of_day", rehearsed)
    with running(kubeconfig) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def dag(database: None) -> DAG:
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(Path(os.environ["AIRFLOW__CORE__DAGS_FOLDER"]))
    assert not bag.import_errors
    dag: DAG = bag.dags["market_day"]
    with pytest.MonkeyPatch.context() as monkeypatch:
        hurry(monkeypatch)
        dag.test()  # loads what a rehearsal has no time for; without a cluster it comes to nothing
    return dag


def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow's loop sleeps for a second wherever nothing is due."""
    monkeypatch.setattr(time, "sleep", lambda seconds, sleep=time.sleep: sleep(min(seconds, 0.05)))


def rehearsed(calendar: str, clock: Clock, *more: Any) -> datetime:
    """Of a day that begins when it is asked, however long Airflow has taken to come to that."""
    return end_of_day(calendar, Clock(HALF_DAY.timestamp(), time.time(), SPEED), *more)


def lived(dag: DAG, monkeypatch: pytest.MonkeyPatch) -> Day:
    """Run the day to its end."""
    said: list[str] = []
    monkeypatch.setattr(going_on.log, "error", lambda line: said.append(line), raising=False)
    run: DagRun = dag.test()
    states = {one.task_id: str(one.state) for one in run.get_task_instances()}
    journal = Path(os.environ["JOURNAL"])
    lines = journal.read_text().splitlines() if journal.exists() else []
    calls = [(float(at), command, symbols) for at, command, symbols, _ in (line.split() for line in lines)]
    assert all(line.endswith(" none") for line in lines), "Airflow's own variables, with its secrets, are not passed on"
    return Day(str(run.state), states, said, calls)


def test_the_whole_day(dag: DAG, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    began = time.time()
    day = lived(dag, monkeypatch)
    assert day.state == DagRunState.SUCCESS
    assert day.steps == dict.fromkeys(STEPS, "success")
    assert not day.said
    started = {name: at for name, replicas, at in cluster.scaled if replicas == 1}
    stopped = {name: at for name, replicas, at in cluster.scaled if replicas == 0}
    (topics, *_), (warm_start, *_) = day.calls
    order = [topics, started["candles"], started["dashboard"], warm_start, started["feed"]]
    order += [stopped["feed"], stopped["candles"], stopped["dashboard"]]
    assert order == sorted(order)
    assert stopped["feed"] - began >= 13_380 / SPEED, "it is streamed until some minutes after the close"
    assert [(command, symbols) for _, command, symbols in day.calls] == [
        ("topics", "AAPL,MSFT,BTC/USD"),
        ("warm-start", "AAPL,MSFT,BTC/USD"),
    ], "the symbols are those of the cluster's settings"
    assert cluster.replicas() == NOTHING


def cannot(cluster: Cluster, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """Let a step fail."""
    match step:
        case "session":
            cluster.refuses("get", "settings", 403)
        case "topics":
            monkeypatch.setenv("FAILS", "topics 1")
        case "stream":
            cluster.refuses("patch", "dashboard", 403)
        case "ready":
            cluster.deployments["candles"].trouble = "quota exceeded"
            monkeypatch.setenv("READY_WITHIN", "3")
        case "warm_start":
            monkeypatch.setenv("FAILS", "warm-start 2")
        case "live":
            cluster.deployments["feed"].trouble = "the image cannot be had"
            monkeypatch.setenv("READY_WITHIN", "3")
        case "close":
            monkeypatch.setattr(DateTimeSensorAsync, "execute_complete", broken)
        case "stop":
            cluster.refuses("patch", "feed", 200, 403)


def broken(task: object, context: object, event: object = None) -> None:
    """As a task ends whose trigger has died."""
    raise TaskDeferralError("Trigger failure")


SAID = {
    "session": "could not read the settings in market: the cluster says 403",
    "topics": "market.feed topics ended with 1: told to fail",
    "stream": "could not scale dashboard to 1: the cluster says 403",
    "ready": "candles is not ready after 3 s: quota exceeded",
    "warm_start": "market.feed warm-start ended with 2: told to fail",
    "live": "feed is not ready after 3 s: the image cannot be had",
    "close": "Trigger failure",
    "stop": "could not scale feed to 0: the cluster says 403",
}


@pytest.mark.parametrize("step", STEPS[:-1])
def test_a_step_that_fails_leaves_no_stream_running_and_says_how_to_go_on(
    step: str, dag: DAG, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    cannot(cluster, monkeypatch, step)
    day = lived(dag, monkeypatch)
    assert day.state == DagRunState.FAILED
    at = STEPS.index(step)
    assert [day.steps[one] for one in STEPS[:at]] == ["success"] * at
    assert day.steps[step] == "failed"
    ends = 0 if step == "stop" else 2
    after = STEPS[at + 1 : len(STEPS) - ends]
    assert {one: day.steps[one] for one in after} == dict.fromkeys(after, "upstream_failed")
    assert [day.steps[one] for one in STEPS[len(STEPS) - ends :]] == ["success"] * ends
    (line,) = [line for line in day.said if f": {step} failed: " in line]
    assert SAID[step] in line
    assert "To go on: " in line
    assert "\n" not in line
    if step == "stop":
        assert day.said == [line]
        assert "kubectl --namespace market scale deployment feed candles dashboard --replicas=0" in line
        assert cluster.replicas() == {**NOTHING, "feed": 1}, "the others are stopped although it is not"
    else:
        assert "No stream is left running once the step stop has ended." in line
        assert "airflow dags trigger market_day" in line
        assert cluster.replicas() == NOTHING


def test_on_a_holiday_nothing_is_started(dag: DAG, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "end_of_day", end_of_day)
    monkeypatch.setenv("MARKET_CLOCK", f"{HOLIDAY} {datetime.now(UTC).isoformat()} 1")
    day = lived(dag, monkeypatch)
    assert day.state == DagRunState.SUCCESS
    assert day.steps == {**dict.fromkeys(STEPS, "skipped"), "stop": "success", "stopped": "success"}
    assert not day.calls
    assert not [replicas for _, replicas, _ in cluster.scaled if replicas]


def test_a_day_that_somebody_marks_as_failed_is_stopped(dag: DAG) -> None:
    moment = timezone.utcnow()
    stored = DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dag))
    with create_session() as session:
        run = get_or_create_dagrun(
            dag=stored,
            run_id="marked",
            logical_date=moment,
            data_interval=(moment, moment),
            run_after=moment,
            conf=None,
            triggered_by=DagRunTriggeredByType.TEST,
            triggering_user_name=None,
            start_date=moment,
            session=session,
        )
        for one in run.get_task_instances(session=session):
            over = one.task_id not in ("close", "stop", "stopped")
            one.state = TaskInstanceState.SUCCESS if over else None
            if one.task_id == "close":
                one.state = TaskInstanceState.DEFERRED
        session.flush()
        set_dag_run_state_to_failed(dag=stored, run_id="marked", commit=True, session=session)
        session.expire_all()
        assert run.get_task_instance("close", session=session).state == TaskInstanceState.FAILED
        run.dag = stored
        due, _ = run.update_state(session=session)
        assert [one.task_id for one in due] == ["stop"]
        due[0].state = TaskInstanceState.SUCCESS
        session.flush()
        run.update_state(session=session)
        assert run.state == DagRunState.FAILED


def test_a_command_ends_with_its_task(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "python").write_text("#!/bin/sh\necho $$ > $JOURNAL\nexec sleep 60\n")
    command, journal = FeedCommand(task_id="warm_start", command="warm-start"), tmp_path / "journal"
    with ThreadPoolExecutor() as pool:
        task = pool.submit(command.execute, {})
        while not journal.exists() or not journal.read_text():
            time.sleep(0.02)
        command.on_kill()
        with pytest.raises(Transient, match=r"market\.feed warm-start ended with -15"):
            task.result(timeout=10)
    assert not Path(f"/proc/{journal.read_text().strip()}").exists()


def test_what_is_cleared_brings_the_stream_and_the_stop_back(dag: DAG) -> None:
    cleared = dag.partial_subset(["warm_start"], include_upstream=False, include_downstream=False)
    assert {"warm_start", "stream", "ready", "stop"} <= set(cleared.task_dict)


def test_the_dag_is_read_without_what_takes_seconds_to_load() -> None:
    program = (
        "import sys, time; began = time.process_time(); import airflow.sdk; at = time.process_time()\n"
        "import orchestration.dags.market_day; print(time.process_time() - at)\n"
        "print(sorted({'exchange_calendars', 'pandas', 'kubernetes', 'confluent_kafka', 'pyspark'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    seconds, loaded = done.stdout.splitlines()[-2:]
    assert loaded == "[]"
    assert float(seconds) < 2
