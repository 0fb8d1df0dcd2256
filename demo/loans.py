"""The demo of loan scoring: models, 50,000 applications, a service that dies and changes its model, and the proof."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from confluent_kafka import KafkaException
from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from demo.acts import Heard, Service
from demo.checks import Check, told
from demo.ground import Ground, ground
from demo.pictures import Pictures
from demo.sending import Sending, sending
from demo.telling import EXPECTED, Say, act
from loan_scoring.drift import TENTHS
from loan_scoring.looks import cards, days_of, table_of
from loan_scoring.model.card import card
from loan_scoring.model.made import made
from loan_scoring.model.training import train
from loan_scoring.plots import draw
from loan_scoring.registry import Registry
from loan_scoring.reporting import Reported, reported
from pipeline.kafka.topics import Topics
from pipeline.lake.lake import Lake
from producers.kafka import DeliveryError
from producers.loans import TOPIC, Mishaps, applications
from tests.loans import told_again
from tests.market import letters
from tests.servers import ROOT
from tests.topics import create, read

PARTITIONS: Final = 4
LETTERS: Final = f"{TOPIC}.letters"
LOANS: Final = 30_000
"""That a model learns from."""
KEPT: Final = ROOT / ".cache" / "demo" / "loan-scoring"
"""Where plot and figures stay when all else is gone."""
TROUBLES: Final = (*EXPECTED, KafkaException, DeliveryError)


def play_loans(
    number: Annotated[int, typer.Option(min=500, help="Applications.")] = 50_000,
    seconds: Annotated[float, typer.Option(min=1, help="How long the sending takes.")] = 40.0,
    seed: Annotated[int, typer.Option(help="Another seed is other people.")] = 1,
) -> None:
    """Loan applications into a table of the lakehouse on this machine, two models, a kill, and the proof.

    Starts a Kafka broker (private, on 127.0.0.1, gone afterwards), trains a model by loans whose truth is known, and
    sends applications as the branches' forms write them: with and without ids, some twice, some that contradict each
    other, some broken. `stream_analytics.py loan-scoring` scores them: killed with kill -9 half-way, started again,
    given a second version in mid-stream, stopped, and started once more to catch up. Then the table's files are made
    few, and every application is held against its one row, its score told again by the version that scored it.

    Exit codes: 0 no difference; 1 some, or it could not be started (a line says what); 130 interrupted.

        make demo SERVICE=loan-scoring

        .venv/bin/python -m demo loan-scoring --number 5000 --seconds 10 --seed 7
    """
    act(partial(play, number, seconds, seed), TROUBLES)


@dataclass
class Scene:
    """What the acts have in common."""

    here: Ground
    seed: int
    say: Say
    versions: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.lake = Lake(f"{self.here.folder}/warehouse", f"jdbc:sqlite:{self.here.folder}/catalog.db")
        self.registry = Registry(str(self.here.folder / "models"))

    @property
    def settings(self) -> dict[str, str]:
        """That lead the service here."""
        folder = self.here.folder
        lake = {"LAKE_URI": f"{folder}/warehouse", "LAKE_CATALOG": f"jdbc:sqlite:{folder}/catalog.db"}
        return {**lake, "MODELS": str(folder / "models")}

    def told(self, command: str) -> str:
        """What `python -m loan_scoring` says. Raises `JobFailed`."""
        return self.ran("-m", "loan_scoring", command)

    def ran(self, *arguments: str) -> str:
        """What `python` says here. Raises `JobFailed`."""
        return self.here.ran(*arguments, **self.settings, SPARK_MASTER="local[2]", COLUMNS="100")

    def train(self, seed: int, drift: float) -> None:
        """A version, which is the champion then."""
        sample = made(LOANS, seed, drift=drift)
        trained = train(sample, f"{LOANS} loans made up, drift {drift:g}", seed, lambda _: None)
        version = self.registry.add(trained.scorecard, trained.challenger, card(trained.scorecard, trained.evaluation))
        self.registry.promote(version)
        self.versions.append(version)
        figures = trained.evaluation.figures
        text = f"AUC {figures['auc']:.4f} of a possible {figures['best_auc']:.4f}, KS {figures['ks']:.3f}"
        self.say(f"version {version} is the champion: {text}, challenger {figures['challenger_auc']:.4f}")


def play(number: int, seconds: float, seed: int, console: Console, say: Say) -> bool:
    """All of it; whether everything adds up."""
    say("starting a Kafka broker")
    with ground() as here:
        scene = Scene(here, seed, say)
        say(f"it answers: {here.kafka.bootstrap}; the lakehouse: {scene.lake.uri} {scene.lake.where}")
        say(f"training a model by {LOANS:,} loans")
        scene.train(seed, 0.0)
        sent = list(applications(seed + 100, number, Mishaps()))
        halves = sent[: len(sent) // 2], sent[len(sent) // 2 :]
        create(here.kafka.bootstrap, {TOPIC: PARTITIONS, LETTERS: 1})
        say(f"{len(sent):,} records of {number:,} applications in {seconds:.0f} s")
        heard = Heard()
        service = Service("loan-scoring", here, {**scene.settings, "BATCH_LENGTH": "2"}, heard.hear)
        with (
            sending(here.client, halves[0], seconds / 2) as first,
            sending(here.client, halves[1], seconds / 2) as second,
        ):

            def line() -> str:
                return f"{first.sent + second.sent:,} of {len(sent):,} records sent; {heard}"

            with Pictures(console, lambda: _picture(line(), (first, second), heard), line) as show:
                _acts(service, heard, (first, second), scene, show)
        say(f"it has told of {heard}")
        files = _files(scene)
        say(f"{files} files; python -m pipeline loan-scoring maintain-tables makes few of them")
        scene.ran("-m", "pipeline", "loan-scoring", "maintain-tables")
        say(f"{_files(scene)} files; reconciling: every application against its row, its score told again")
        checks = _checks(scene, {made.value for made in sent if made.kind == "broken"})
        _tell(scene, console, say)
    return told(checks, f"{len(sent):,} records", console)


def _acts(service: Service, heard: Heard, halves: tuple[Sending, Sending], scene: Scene, show: Pictures) -> None:
    first, second = halves

    def in_the_middle() -> bool:
        if heard.runs:
            first.begin()
        return first.at(0.6) and heard.batches > 0

    def stop() -> bool:
        if first.done and heard.runs > 1 and heard.batches > 0 and len(scene.versions) == 1:
            scene.say("a second version is trained and promoted, while it runs; then come the other applications")
            scene.train(scene.seed + 50, 0.4)
            second.begin()
        return second.done

    scene.say("python stream_analytics.py loan-scoring")
    service.until_killed(show.until(in_the_middle))
    scene.say("kill -9 in the middle of it, and started again")
    service.until_stopped(show.until(stop))
    scene.say("everything is sent; SIGTERM has ended it after its batch, and --until-caught-up does what is left")
    service.until_caught_up()


def _picture(line: str, halves: Sequence[Sending], heard: Heard) -> RenderableType:
    total, sent = sum(half.total for half in halves), sum(half.sent for half in halves)
    bar = ProgressBar(total=total, completed=sent, width=60)
    table = Table("letters of the reason", "number", box=SIMPLE_HEAD)
    for reason, number in heard.letters.most_common(8):
        table.add_row(reason, f"{number:,}")
    return Group(Text(line), bar, table)


def _files(scene: Scene) -> int:
    table = table_of(scene.lake)
    return len(table.inspect.data_files()) if table else 0


def _checks(scene: Scene, broken: set[bytes | None]) -> list[Check]:
    """Everything that was sent against everything that is there."""
    bootstrap = scene.here.kafka.bootstrap
    records = read(bootstrap, TOPIC)
    identity = Topics(scene.here.client).existing([TOPIC])[TOPIC].identity
    table = table_of(scene.lake)
    assert table is not None
    rows: list[dict[str, Any]] = table.scan().to_arrow().to_pylist()
    expected = told_again.expected(records, frozenset(broken), identity)
    expected = told_again.as_counted(expected, records, rows, identity)
    known = {version: scene.registry.model(version).scorecard for version in scene.versions}
    versions = Counter(row["model_version"] for row in rows)
    unused = [f"version {version} has scored nothing" for version in scene.versions if not versions[version]]
    return [
        Check(
            "every application has one row, with the score and the reasons that its version gives",
            len(expected.rows),
            told_again.differences(rows, expected, known),
        ),
        Check(
            "what cannot be read, and what contradicts an application that was there before, is a letter, once",
            len(expected.letters),
            letters.differences(read(bootstrap, LETTERS), records, expected.letters),
        ),
        Check("both versions have scored, one after the other", len(scene.versions), unused),
    ]


def _tell(scene: Scene, console: Console, say: Say) -> None:
    table = table_of(scene.lake)
    assert table is not None
    card_of = cards(scene.registry)
    since = min(row["applied_at"] for row in table.scan(selected_fields=("applied_at",)).to_arrow().to_pylist()).date()
    told_days = reported(days_of(table, since, card_of), card_of)
    console.print(_histogram(told_days))
    say("python -m loan_scoring table")
    console.print(scene.told("table"), markup=False)
    for path in draw(told_days, KEPT):
        say(f"kept: {path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}")


def _histogram(told_days: Sequence[Reported]) -> Table:
    table = Table("scores", *(f"{one.day} {one.version[:6]}" for one in told_days), box=SIMPLE_HEAD)
    for place in range(TENTHS):
        shares = [one.histogram[place] / (sum(one.histogram) or 1) for one in told_days]
        bars = (f"{'█' * round(share * 40)} {share:.1%}" for share in shares)
        table.add_row(f"{place / TENTHS:.1f} to {(place + 1) / TENTHS:.1f}", *bars)
    return table
