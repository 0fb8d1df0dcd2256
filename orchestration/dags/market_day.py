"""The trading day: topics, the stream, what is missing, the live feed; after the close everything is stopped.

The stream belongs to the cluster, not to a task: Airflow's workers may come and go. Whatever fails, is marked or is
cleared, the step `stop` takes the Deployments down again, and says so where it cannot.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from functools import partial

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.providers.standard.sensors.date_time import DateTimeSensorAsync
from airflow.sdk import DAG, TriggerRule, task

from orchestration import steps
from orchestration.command import FeedCommand
from orchestration.going_on import tell
from orchestration.settings import DagSettings
from orchestration.timetable import TradingDays

SETTINGS = DagSettings.read(os.environ)
TELL = partial(tell, namespace=SETTINGS.market_namespace)

with DAG(
    "market_day",
    description="Streams the market while the exchange is open",
    doc_md=__doc__,
    schedule=TradingDays(SETTINGS.market_calendar, SETTINGS.start_before),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    tags=["market"],
    default_args={
        "owner": "market",
        "retries": SETTINGS.step_retries,
        "retry_delay": timedelta(seconds=30),
        "on_failure_callback": TELL,
    },
) as dag:
    session = task(steps.session)()
    topics = FeedCommand(task_id="topics", command="topics", execution_timeout=timedelta(minutes=10))
    stream = task(steps.stream)()
    ready = task(steps.ready)()
    warm_start = FeedCommand(task_id="warm_start", command="warm-start", execution_timeout=timedelta(hours=3))
    live = task(steps.live)()
    close = DateTimeSensorAsync(task_id="close", target_time="{{ ti.xcom_pull(task_ids='session') }}")
    stop = task(steps.stop, retries=10 * SETTINGS.step_retries, on_retry_callback=TELL)()

    session >> topics >> stream >> ready >> warm_start >> live >> close >> stop
    # A run is as its last steps are, teardowns aside: red where `close` did not come to pass, or a stop.
    stop >> EmptyOperator(task_id="stopped")
    # As their teardown, it runs where a day is marked as failed or done, and comes again with any step that is cleared;
    # and the stream comes again with a later step. It always runs: a step may have started only a part.
    stop.as_teardown(setups=[stream, ready, live])
    stop.operator.trigger_rule = TriggerRule.ALL_DONE
