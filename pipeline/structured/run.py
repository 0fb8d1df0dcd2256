"""The engine's parts, put together for a service, and its life: from the first probe to the last batch."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterator, Sequence

import structlog
from py4j.protocol import Py4JError  # type: ignore[import-untyped]

from pipeline.kafka.client import client_options
from pipeline.kafka.letters import ROOM, letters_of
from pipeline.kafka.places import Place
from pipeline.kafka.topics import LARGEST, Topics
from pipeline.observability.polling import Poller
from pipeline.observability.server import served
from pipeline.runtime.errors import Fatal, Halted, Transient
from pipeline.runtime.retries import backoff
from pipeline.runtime.starting import wait_for
from pipeline.runtime.stopping import StopSignal
from pipeline.settings.analytics import AnalyticsSettings
from pipeline.spark.context import heed_signals_of_jvm
from pipeline.structured.monitoring.health import Health
from pipeline.structured.monitoring.lag import LagPoll, hindmost
from pipeline.structured.outputs import Outputs
from pipeline.structured.query import Query
from pipeline.structured.service import Service
from pipeline.structured.session import build_session
from pipeline.structured.warming import warm_up

LOOK = 0.2
"""Seconds between two looks at the queries."""
LAG = 5.0
"""Seconds between two looks at how far the flows are behind."""
FOR_EVER = float("inf")
WAITING = "waiting for topics"

log = structlog.get_logger()


class Engine:
    """Runs a service. Nothing is connected before `run`."""

    def __init__(self, settings: AnalyticsSettings, service: Service) -> None:
        self._settings, self._service = settings, service
        self._run = uuid.uuid4().hex
        self._client = client_options(settings)
        longest = max(flow.length or settings.batch_length for flow in service.flows)
        self._health = Health(service.name, [flow.name for flow in service.flows], longest)

    def run(self, stop: StopSignal, *, until_caught_up: bool = False) -> None:
        """Until `stop` or, if wanted, until all is in effect that the topics held at the start.

        Raises `Fatal`.
        """
        settings = self._settings
        with served(self._health, settings.metrics_address, settings.metrics_port):
            topics = Topics(self._client)
            if self._answers(topics, stop):
                self._stream(topics, stop, until_caught_up=until_caught_up)

    def _answers(self, topics: Topics, stop: StopSignal) -> bool:
        """Wait until all that the service needs answers; make the topics that it writes. False if stopped."""
        read = sorted({topic for flow in self._service.flows for topic in flow.topics})
        return (
            wait_for("the Kafka brokers", lambda: topics.describe(read), stop)
            and all(wait_for(name, probe, stop) for name, probe in self._service.needs)
            and wait_for("topics", lambda: self._exist(topics, read), stop, FOR_EVER)
            and wait_for("the topics to write", lambda: self._make(topics, read), stop)
        )

    def _exist(self, topics: Topics, read: Collection[str]) -> None:
        try:
            topics.existing(read)
        except Transient as error:
            self._health.becomes(WAITING)
            self._health.waits.say(str(error), error.waits_for)
            raise

    def _make(self, topics: Topics, read: Collection[str]) -> None:
        settings = self._settings
        topics.make(self._service.writes, settings.topic_partitions, settings.topic_replication)
        largest = topics.largest(read)
        for most in sorted(set(largest.values())):
            letters = [letters_of(topic) for topic in read if largest[topic] == most]
            config = {LARGEST: str(most + ROOM)}
            topics.make(letters, settings.topic_partitions, settings.topic_replication, config)

    def _stream(self, topics: Topics, stop: StopSignal, *, until_caught_up: bool) -> None:
        service, settings = self._service, self._settings
        options = {**settings.spark_sizes(), **(service.options or {})}
        session = build_session(
            service.name,
            service.packages,
            options,
            iam=settings.msk_region is not None,
            jars=service.jars,
            jvm=service.jvm,
            allow_plaintext=settings.spark_allow_plaintext,
        )
        stop.listen()  # SparkContext has taken SIGINT
        heed_signals_of_jvm(session.sparkContext, stop)
        warming = warm_up(session, service.tasks)
        try:
            if service.prepare:
                service.prepare(session)
            queries = [
                Query(
                    flow,
                    service.name,
                    service.writes,
                    session,
                    settings,
                    topics,
                    Outputs(f"{service.name}.{flow.name}", self._client, self._run),
                    self._health,
                    until_caught_up=until_caught_up,
                )
                for flow in service.flows
            ]
            pollers = [Poller(self._lag(topics, queries), every=LAG), *self._watch()]
            for poller in pollers:
                poller.start()
            self._lead(queries, stop)
            for poller in pollers:
                poller.stop()
            self._finish(stop)
        except (Py4JError, ConnectionError) as error:
            raise Fatal(f"Spark's JVM has died ({type(error).__name__})") from error
        finally:
            self._health.stops()
            warming.join()
            session.stop()

    def _lead(self, queries: Sequence[Query], stop: StopSignal) -> None:
        try:
            while not all(query.done for query in queries) and not stop.wait(LOOK):
                for query in queries:
                    query.look()
        finally:
            for query in queries:
                query.stop()

    def _finish(self, stop: StopSignal) -> None:
        """What is left to the end of the service; where it is to stop, one try: its next start does the rest."""
        attempts = 0
        while self._service.finish:
            try:
                self._service.finish()
                return
            except (Transient, Halted) as error:
                log.warning("waiting", reason=str(error), waits_for=error.waits_for)
            if stop.wait(backoff(attempts, 0.25)):
                return
            attempts += 1

    def _watch(self) -> Iterator[Poller]:
        if self._service.watch is not None:
            yield Poller(self._service.watch(self._health), every=self._service.watch_interval)

    def _lag(self, topics: Topics, queries: Sequence[Query]) -> LagPoll:
        def positions() -> dict[Place, int]:
            return hindmost(query.positions for query in queries)

        return LagPoll(topics, self._client, positions, self._health.lags)
