"""Applications from a topic into the table of predictions: once, explained, by the version of the moment."""

from __future__ import annotations

import copy
import itertools
import json
import shutil
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest
from pyspark.sql import SparkSession

from loan_scoring.champion import Champion
from loan_scoring.compiled import FIELDS, PROBABILITY, scored
from loan_scoring.drift import ENOUGH
from loan_scoring.features import FEATURES
from loan_scoring.hive_view import ensure_view
from loan_scoring.names import HIVE_VIEW, PREDICTIONS
from loan_scoring.predictions import Predictions
from loan_scoring.registry import Registry
from loan_scoring.table import TABLE
from loan_scoring.watch import Watch
from pipeline.kafka.client import client_options
from pipeline.kafka.topics import Topics
from pipeline.lake.lake import Lake, spark_name
from pipeline.lake.table import ensure
from pipeline.observability.instruments import Instruments
from pipeline.runtime.errors import PipelineError, Transient
from pipeline.runtime.waiting import Waits
from pipeline.structured.service import Batch
from producers.loans import BROKEN, Mishaps, applications
from tests import topics
from tests.integration import streaming
from tests.integration.streaming import Trial, Watched
from tests.loans import told_again
from tests.loans.models import SPLITS, promoted, scorecard
from tests.market import letters
from tests.unit.test_loan_application import GOOD

NOW = int(time.time())


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    folder = tmp_path_factory.mktemp("lake")
    return Lake(f"{folder}/warehouse", f"jdbc:sqlite:{folder}/catalog.db")


@pytest.fixture(scope="module")
def spark(lake: Lake) -> Iterator[SparkSession]:
    yield from streaming.session(lake.options(), lake.jars)


class Loans(Trial):
    """A topic of applications, a registry with a champion, and the table, empty."""

    def __init__(self, spark: SparkSession, kafka: str, folder: Path, lake: Lake) -> None:
        super().__init__(spark, kafka, folder, partitions=2)
        self.lake, self.registry = lake, Registry(str(folder / "models"))
        self.version = promoted(self.registry)
        self.champion = Champion(self.registry, itertools.count(0, 60).__next__)
        self.flow = Predictions(self.champion, "applicant_group")
        spark.sql(f"DROP VIEW IF EXISTS {spark_name(HIVE_VIEW)}")
        spark.sql(f"DROP TABLE IF EXISTS {spark_name(PREDICTIONS)} PURGE")
        ensure(lake, [TABLE])

    def go(self, **settings: Any) -> Watched:
        return self.run(self.flow.apply, **settings)

    def rows(self) -> list[dict[str, Any]]:
        """As PyIceberg reads them."""
        found: list[dict[str, Any]] = self.lake.catalog().load_table(PREDICTIONS).scan().to_arrow().to_pylist()
        return found

    def scores(self) -> dict[str, dict[str, Any]]:
        rows = self.rows()
        by_id = {row["application_id"]: row for row in rows}
        assert len(by_id) == len(rows)
        return by_id

    def files(self) -> set[str]:
        table = self.lake.catalog().load_table(PREDICTIONS)
        return {file["file_path"] for file in table.inspect.files().to_pylist()}

    @property
    def identity(self) -> str:
        return Topics(client_options(self.settings())).existing([self.reads])[self.reads].identity

    def reasons(self) -> list[str]:
        return [(letter.headers["reason"] or b"").decode() for letter in self.letters()]


@pytest.fixture
def trial(spark: SparkSession, kafka: str, tmp_path: Path, lake: Lake) -> Loans:
    return Loans(spark, kafka, tmp_path, lake)


def written(**changes: Any) -> bytes:
    return json.dumps({**GOOD, **changes}).encode()


def at(value: bytes | None, partition: int = 0, after: int = 0) -> topics.Sent:
    return topics.Sent(value, b"k", partition, NOW * 1000 + after)


# --- the scorecard, in SQL and in Python


def edges(random: Random) -> list[float | None]:
    """Values of an application on, below, above and between splits, and missing."""
    found: list[float | None] = []
    for name in FEATURES:
        split = random.choice(SPLITS[name])
        near = [split, split * (1 - 1e-15), split * (1 + 1e-15), split * random.uniform(0, 2), 0.0, 2.0**31 - 1]
        value = random.choice(near)
        found.append(None if name in ("dti", "bc_util", "bc_open_to_buy") and random.random() < 0.2 else value)
    return found


def test_sql_scores_as_python_does(spark: SparkSession) -> None:
    random, card = Random(1), scorecard()
    values = [edges(random) for _ in range(3_000)]
    frame = spark.createDataFrame([(tuple(row),) for row in values], f"features STRUCT<{FIELDS}>")
    found = scored(frame, card).collect()
    assert max(abs(row[PROBABILITY] - card.probability(list(row.features))) for row in found) < 1e-9
    assert len({row.data for row in found}) > 50
    wrong = [row for row in found if abs(row.data - card.score(list(row.features))) > 1e-7]
    wrong += [row for row in found if list(row.reasons) != card.reasons(list(row.features))]
    assert wrong == []
    assert {len(row.reasons) for row in found} >= {2, 3}


# --- from the topic to the table


def test_what_is_sent_is_in_the_table_once_and_what_cannot_be_read_is_a_letter_once(trial: Loans) -> None:
    sent = [made._replace(topic=trial.reads) for made in applications(3, 500, Mishaps(1 / 2, 0.5, 0.1, 0.05, 0.2))]
    trial.put([topics.Sent(made.value, made.key, timestamp=NOW * 1000 + place) for place, made in enumerate(sent)])
    seen = trial.go(MAX_RECORDS_PER_BATCH="250")
    assert len(seen.batches) > 2
    records = topics.read(trial.kafka, trial.reads)
    broken = frozenset(made.value for made in sent if made.kind == "broken")
    told = told_again.expected(records, broken, trial.identity)
    cards = {trial.version: scorecard()}
    assert told_again.differences(trial.rows(), told, cards) == []
    assert letters.differences(trial.letters(), records, told.letters) == []
    assert set(trial.reasons()) >= {"conflict", "missing_field", "bad_term", "not_utf8"}
    counts = seen.counts
    assert counts["success"] + counts["review"] - counts["repeated"] - seen.reasons["conflict"] == len(told.rows)
    assert counts["repeated"] > 10
    again = trial.go()
    assert again.batches == []
    shutil.rmtree(trial.folder / "checkpoint")
    promoted(trial.registry, base=0.3)
    before, files = trial.scores(), trial.files()
    again = trial.go()
    assert again.counts["success"] == counts["success"], "it reads all of it again"
    assert trial.scores() == before, "and changes nothing, though another model is the champion"
    assert trial.files() == files, "nor writes any file anew"
    assert letters.differences(trial.letters(), records, told.letters) == []


def test_a_row_says_what_an_application_said_and_which_version_scored_it_and_why(trial: Loans) -> None:
    value = written(application_id="A-1", applicant_group="30+")
    gone = written(application_id="A-2", bc_open_to_buy="", bc_util="n/a", dti=None)
    trial.put([at(value), at(gone, 0, 5)])
    assert trial.go().counts == {"success": 1, "review": 1}
    rows, card = trial.scores(), scorecard()
    row = rows["A-1"]
    assert (row["member_id"], row["annual_inc"], row["funded_amnt"]) == (1_296_599, 24_000, 5_000)
    values = list(row["features"].values())
    assert values == [1506.0, None, 27.65, 24000.0, 83.7, 0.1065, 36.0, 5000.0, 5000.0]
    assert row["data"] == pytest.approx(card.score(values), abs=1e-7)
    assert row["reasons"] == card.reasons(values)
    assert (row["status"], rows["A-2"]["status"]) == ("success", "review")
    assert (row["model_version"], row["applicant_group"]) == (trial.version, "30+")
    assert row["applied_at"].timestamp() * 1000 == NOW * 1000
    assert 0 < row["challenger"] < 1
    assert 0 < rows["A-2"]["data"] < 1, "the score is given all the same"


def test_the_old_columns_are_a_view_and_every_reader_sees_the_same(trial: Loans) -> None:
    trial.put([at(written(application_id=f"A-{number}", member_id=number)) for number in range(20)])
    trial.go()
    ensure_view(trial.lake, trial.spark)
    ensure_view(trial.lake, trial.spark)
    view = trial.spark.table(spark_name(HIVE_VIEW))
    assert view.columns == ["annual_inc", "data", "funded_amnt", "member_id", "status"]
    old = sorted(tuple(row) for row in view.collect())
    names = view.columns
    assert old == sorted(tuple(row[name] for name in names) for row in trial.rows())
    table = trial.lake.catalog().load_table(PREDICTIONS)
    duck = table.scan().to_duckdb("predictions").execute(f"SELECT {', '.join(names)} FROM predictions").fetchall()
    assert sorted(duck) == old


CONFLICTING = {
    "in one batch": ([(0, 0), (0, 1)], "100"),
    "in two batches": ([(0, 0), (0, 1)], "1"),
    "in two partitions": ([(1, 0), (0, 1)], "100"),
}


@pytest.mark.parametrize("case", CONFLICTING)
def test_of_two_with_one_id_the_first_counts_and_one_that_says_something_else_is_a_letter(
    trial: Loans, case: str
) -> None:
    places, most = CONFLICTING[case]
    values = [written(application_id=7), written(application_id="7", annual_inc=99_000)]
    trial.put([at(value, *place) for value, place in zip(values, places, strict=True)])
    same = written(application_id=7.0, annual_inc="24,000.00")
    trial.put([at(same, 0, 9), at(same, 1, 9)])
    seen = trial.go(MAX_RECORDS_PER_BATCH=most)
    assert {known_as: row["annual_inc"] for known_as, row in trial.scores().items()} == {"7": 24_000}
    (letter,) = trial.letters()
    assert (letter.headers["reason"], letter.headers["field"]) == (b"conflict", b"application_id")
    assert (letter.value, letter.key) == (values[1], b"k")
    assert seen.counts["repeated"] == 2


def test_bad_input_of_every_kind_becomes_letters_and_costs_no_good_one_its_place(trial: Loans) -> None:
    bad = [broken(dict(GOOD)) for _, broken in BROKEN]
    values = [value for one in bad for value in (one, written())]
    trial.put([at(value, place % 2, place) for place, value in enumerate(values)])
    trial.go()
    assert len(trial.rows()) == len(bad)
    assert len(trial.letters()) == len(bad)
    assert {letter.value for letter in trial.letters()} == set(bad)


def test_a_promoted_version_is_taken_between_two_batches_and_rescores_nothing(trial: Loans) -> None:
    versions: list[str] = []

    def apply(batch: Batch) -> None:
        if batch.number == 1:
            versions.append(promoted(trial.registry, base=-0.5))
        trial.flow.apply(batch)

    trial.put([at(written(application_id=f"A-{number:02}"), 0, number) for number in range(20)])
    trial.run(apply, MAX_RECORDS_PER_BATCH="10")
    found = [row["model_version"] for _, row in sorted(trial.scores().items())]
    assert found == [trial.version] * 10 + versions * 10
    cards = {trial.version: scorecard(), versions[0]: scorecard(-0.5)}
    records = topics.read(trial.kafka, trial.reads)
    told = told_again.expected(records, frozenset(), trial.identity)
    assert told_again.differences(trial.rows(), told, cards) == []


def test_death_between_the_tables_commit_and_sparks_with_all_snapshots_expired_leaves_one_row_each(
    trial: Loans,
) -> None:
    deaths = iter([True, False] * 20)

    def apply(batch: Batch) -> None:
        trial.flow.apply(batch)
        call = f"table => '{PREDICTIONS}', older_than => current_timestamp(), retain_last => 1"
        trial.spark.sql(f"CALL lake.system.expire_snapshots({call})").collect()
        if next(deaths):
            raise Transient("died")

    ids = [{"application_id": f"A-{number // 2}"} if number % 3 == 0 else {} for number in range(60)]
    trial.put([at(written(**ids[number], dti=number % 7), number % 2, number) for number in range(60)])
    trial.run(apply, MAX_RECORDS_PER_BATCH="30")
    records = topics.read(trial.kafka, trial.reads)
    told = told_again.expected(records, frozenset(), trial.identity)
    assert told_again.differences(trial.rows(), told, {trial.version: scorecard()}) == []
    assert letters.differences(trial.letters(), records, told.letters) == []


def test_two_services_at_once_leave_one_row_each(trial: Loans) -> None:
    ids = [{"application_id": f"A-{number}"} if number % 2 else {} for number in range(80)]
    trial.put([at(written(**ids[number]), number % 2, number) for number in range(80)])
    failures: list[PipelineError] = []
    seen: list[Watched] = []

    def drive(number: int) -> None:
        try:
            flow = Predictions(Champion(trial.registry, itertools.count(0, 60).__next__), "applicant_group")
            driver = copy.copy(trial)
            driver.service = f"{trial.service}-{number}"
            place = str(trial.folder / f"checkpoint{number}")
            seen.append(driver.run(flow.apply, MAX_RECORDS_PER_BATCH="27", CHECKPOINT_DIR=place))
        except PipelineError as error:
            failures.append(error)

    drivers = [threading.Thread(target=drive, args=(number,)) for number in range(2)]
    for driver in drivers:
        driver.start()
    for driver in drivers:
        driver.join()
    assert failures == []
    assert len(trial.scores()) == len(trial.rows()) == 80
    assert sum(sum(batch.counts.values()) for one in seen for batch in one.batches) >= 160
    assert trial.letters() == []


# --- watching


class Told:
    def __init__(self) -> None:
        self.instruments = Instruments("loan-scoring", Waits(), time.time)
        self.alarms: Mapping[str, str] = {}

    def alarm(self, alarms: Mapping[str, str]) -> None:
        self.alarms = dict(alarms)

    def value(self, name: str, **labels: str) -> float | None:
        return self.instruments.registry.get_sample_value(f"loan_scoring_{name}", labels)


def test_the_days_scores_are_watched_and_what_has_moved_is_said(trial: Loans) -> None:
    told = Told()
    watch = Watch(trial.lake, trial.registry, trial.champion, told)
    watch.take()
    assert told.alarms == {}
    people: Sequence[Mapping[str, Any]] = [
        {"application_id": f"A-{number}", "dti": 60, "applicant_group": "a" if number % 2 else "b"}
        for number in range(ENOUGH)
    ]
    poor = [{**one, "int_rate": "29%", "dti": 60} if one["applicant_group"] == "b" else one for one in people]
    trial.put([at(written(**one), 0, place) for place, one in enumerate(poor)])
    trial.go()
    refused = promoted(trial.registry, base=3.0)
    (trial.folder / "models" / "versions" / refused / "scorecard.json").write_text("{}")
    trial.champion.current()
    watch.take()
    assert (told.value("psi", feature="dti") or 0) > 0.25
    assert told.value("champion", version=trial.version) == 1
    assert told.value("models_refused") == 1
    assert told.value("disparate_impact") == pytest.approx(0.0)
    assert {"features have moved", "disparate impact", f"model {refused} refused"} <= told.alarms.keys()
    watch.forget()
    assert told.alarms == {}
    assert told.value("psi", feature="dti") is None
