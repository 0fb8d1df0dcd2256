"""The service `candles`: topics of symbols → collections of documents with indicators."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from market import mongo
from market.candle_store import CandleStore
from market.candle_tasks import Apply, Condemned, Letters, Report, task_of
from market.settings import CandleSettings
from pipeline.kafka.client import client_options
from pipeline.kafka.reading import deal
from pipeline.structured.service import LETTER, Batch, Flow, Service
from pipeline.structured.tasks import reports


class Candles:
    """Applies batch after batch. `client`: Kafka's. `store`: without an epoch yet."""

    def __init__(self, client: Mapping[str, object], store: CandleStore) -> None:
        self._client, self._store = client, store
        self._known: dict[str, int] = {}
        """Versions of the symbols' states, as long as the batches went well."""

    def apply(self, batch: Batch) -> None:
        """Candles into the database, then letters. Raises `PipelineError`."""
        known, self._known = self._known, {}
        store = self._ours(batch)
        session = batch.frame.sparkSession
        dealt = deal(batch.ranges(), session.sparkContext.defaultParallelism, task_of)
        tasks = session.range(0, len(dealt), 1, len(dealt))
        found = reports(tasks, Apply(self._client, store, known, dealt)) if any(dealt) else []
        condemned = _condemned(found)
        if condemned or any(report.others for report in found):
            batch.letters(tasks.mapInArrow(Letters(self._client, store.zone, condemned, dealt), LETTER))
        for report in found:
            _count(batch, report)
            known.update((topic, outcome.version) for topic, outcome in report.outcomes.items())
        self._known = known

    def _ours(self, batch: Batch) -> CandleStore:
        if not self._store.epoch:
            self._store = replace(self._store, epoch=self._store.states.next_epoch())
        return replace(self._store, identities=dict(batch.identities))


def service(settings: CandleSettings) -> Service:
    """The service, put together."""
    uri = settings.mongo_uri.get_secret_value()
    store = CandleStore(uri, settings.mongo_dbname, settings.market_zone, settings.plan, settings.lateness)
    flow = Flow("candles", settings.topics, Candles(client_options(settings), store).apply)
    needs = [(mongo.AWAY, partial(mongo.probe, uri))]
    return Service("candles", [flow], packages=["market"], tasks=["market.candle_tasks"], needs=needs)


def _condemned(found: list[Report]) -> Condemned:
    return {
        (topic, letter.partition, letter.offset): (letter.reason, letter.error)
        for report in found
        for topic, outcome in report.outcomes.items()
        for letter in outcome.letters
    }


def _count(batch: Batch, report: Report) -> None:
    outcomes = report.outcomes.values()
    added, corrected = sum(one.added for one in outcomes), sum(one.corrected for one in outcomes)
    letters = sum(len(one.letters) for one in outcomes)
    batch.count("accepted", added)
    batch.count("corrected", corrected)
    batch.count("repeated", max(0, report.candles - added - corrected - letters))
