"""Making models, judging them, and letting one decide."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from loan_scoring.commands.settled import RegistrySettings, run
from loan_scoring.commands.telling import tell
from pipeline.console.options import Json
from pipeline.console.output import WrongUsage, answer, aside, table

if TYPE_CHECKING:
    from loan_scoring.model.sample import Sample
    from loan_scoring.registry import Model, Registry

Data = Annotated[
    Path | None,
    typer.Option(help="A CSV file of loans that are over: the fields of an application, and `paid`, 1 or 0."),
]
Made = Annotated[int, typer.Option(min=1_000, help="How many loans are made up where there is no file.")]
Drift = Annotated[float, typer.Option(help="Of loans that are made up: by how much people are worse off.")]
Version = Annotated[str | None, typer.Argument(help="The champion unless named; `versions` lists them.")]


def train(
    data: Data = None,
    made: Made = 40_000,
    drift: Drift = 0.0,
    seed: Annotated[int, typer.Option(help="The same data and seed train the same model.")] = 1,
    promote: Annotated[bool, typer.Option("--promote", help="Let services score with it from now on.")] = False,
    as_json: Json = False,
) -> None:
    """Train a version: a scorecard with its challenger, evaluated by loans that it has not seen, with a model card.

    Needs the packages of requirements-training.txt, which `make setup` installs.

        MODELS=/var/lib/models python -m loan_scoring train --promote

        MODELS=/var/lib/models python -m loan_scoring train --data loans.csv
    """
    run(RegistrySettings, lambda settings: _train(settings, data, made, drift, seed, promote, as_json))


def _train(
    settings: RegistrySettings, data: Path | None, made: int, drift: float, seed: int, promote: bool, as_json: bool
) -> int:
    _needs_training()
    from loan_scoring.model.card import card
    from loan_scoring.model.training import train
    from loan_scoring.registry import Registry

    sample = _sample(settings, data, made, seed, drift)
    where = str(data) if data else f"{made} loans made up with seed {seed}" + (f", drift {drift:g}" if drift else "")
    try:
        trained = train(sample, where, seed, aside.print)
    except ValueError as error:
        raise WrongUsage(f"nothing is learned from these loans: {error}") from None
    registry = Registry(settings.models)
    version = registry.add(trained.scorecard, trained.challenger, card(trained.scorecard, trained.evaluation))
    if promote:
        registry.promote(version)
    what_next = "it is the champion now" if promote else f"python -m loan_scoring promote {version}"
    tell(version, trained.evaluation, as_json, f"version {version}: {what_next}")
    return 0


def evaluate(
    version: Version = None,
    data: Data = None,
    made: Made = 40_000,
    drift: Drift = 0.0,
    seed: Annotated[int, typer.Option(help="Of loans that are made up: another one than that of training.")] = 2,
    as_json: Json = False,
) -> None:
    """Hold a version against how loans ended: AUC, KS, calibration, for all of them and for each segment.

    MODELS=/var/lib/models python -m loan_scoring evaluate --data loans-of-2025.csv
    """
    run(RegistrySettings, lambda settings: _evaluate(settings, version, data, made, drift, seed, as_json))


def _evaluate(
    settings: RegistrySettings, version: str | None, data: Path | None, made: int, drift: float, seed: int, js: bool
) -> int:
    _needs_training()
    from loan_scoring.model.evaluation import evaluated
    from loan_scoring.registry import Registry

    model = _model(Registry(settings.models), version)
    sample = _sample(settings, data, made, seed, drift)
    tell(model.version, evaluated(model.scorecard, model.challenger, sample), js, f"version {model.version}")
    return 0


def promote(version: Annotated[str, typer.Argument(help="As `versions` lists it.")]) -> None:
    """Let services score with this version: those that run take it before their next batch, and rescore nothing.

    Going back is promoting the one before again.

        MODELS=/var/lib/models python -m loan_scoring promote 3f2a90c1d4e5
    """
    run(RegistrySettings, lambda settings: _promote(settings, version))


def _promote(settings: RegistrySettings, version: str) -> int:
    from loan_scoring.registry import Registry
    from loan_scoring.scorecard import Unfit

    try:
        Registry(settings.models).promote(version)
    except Unfit as error:
        raise Unfit(f"version {version} {error}: nothing was changed") from None
    answer(False, None, f"version {version} is the champion now")
    return 0


def versions(as_json: Json = False) -> None:
    """All versions: when and from what they were trained, how good they are, and which is the champion.

    MODELS=/var/lib/models python -m loan_scoring versions
    """
    run(RegistrySettings, lambda settings: _versions(settings, as_json))


def _versions(settings: RegistrySettings, as_json: bool) -> int:
    from loan_scoring.registry import Registry
    from loan_scoring.scorecard import Unfit

    registry = Registry(settings.models)
    promotions = {one.version: one.at for one in registry.promotions()}
    champion = next(reversed([one.version for one in registry.promotions()]), None)
    shown = table("version", "", "trained", "promoted", "AUC", "challenger", "from", whole=1)
    data: list[dict[str, Any]] = []
    for version in registry.versions():
        promoted = promotions.get(version, "")
        role = "champion" if version == champion else ""
        try:
            card = registry.model(version).scorecard
        except Unfit as error:
            shown.add_row(version, role, "does not fit", promoted, "", "", str(error))
            data.append({"version": version, "champion": bool(role), "unfit": str(error), "promoted": promoted})
            continue
        told, figures = card.trained, card.figures
        auc = (f"{figures.get(name, float('nan')):.4f}" for name in ("auc", "challenger_auc"))
        shown.add_row(version, role, told.get("at", ""), promoted, *auc, told.get("data", ""))
        data.append(
            {"version": version, "champion": bool(role), "promoted": promoted, "trained": told, "figures": figures}
        )
    answer(as_json, data, shown)
    return 0


def card(version: Version = None) -> None:
    """The model card of a version, in Markdown: what people have to know before they let it decide.

    MODELS=/var/lib/models python -m loan_scoring card > card.md
    """
    run(RegistrySettings, lambda settings: _card(settings, version))


def _card(settings: RegistrySettings, version: str | None) -> int:
    from loan_scoring.registry import Registry

    registry = Registry(settings.models)
    model = _model(registry, version)
    typer.echo(
        registry.card(model.version).replace("# A scorecard for loans", f"# Model card: version {model.version}", 1)
    )
    return 0


def _model(registry: Registry, version: str | None) -> Model:
    from loan_scoring.scorecard import Unfit

    chosen = version or next(reversed([one.version for one in registry.promotions()]), None)
    if chosen is None:
        raise WrongUsage("no version has been promoted: name one, as `python -m loan_scoring versions` lists them")
    try:
        return registry.model(chosen)
    except Unfit as error:
        raise Unfit(f"version {chosen} {error}") from None


def _sample(settings: RegistrySettings, data: Path | None, made: int, seed: int, drift: float) -> Sample:
    from loan_scoring.model.made import made as make
    from loan_scoring.model.sample import of_file

    if data is None:
        return make(made, seed, drift=drift)
    sample, faults = of_file(data, settings.group_field)
    for reason, number in faults.most_common():
        aside.print(f"left out: {number:,} loans, {reason}")
    return sample


def _needs_training() -> None:
    from importlib.util import find_spec

    if find_spec("optbinning") is None:
        raise WrongUsage(
            "what trains models is not installed: pip install --require-hashes -r requirements-training.txt"
        )
