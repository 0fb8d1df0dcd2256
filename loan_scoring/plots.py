"""What a report shows at a glance: drift by day, scores, champion and challenger, groups of people."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from loan_scoring.drift import TENTHS
from loan_scoring.features import FEATURES
from loan_scoring.reporting import Reported
from loan_scoring.watch import FOUR_FIFTHS, MOVED

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MARKS: Final = ("o", "s", "^", "v", "D", "P", "X", "<", ">")
"""So that nobody needs colours to tell lines apart."""


def draw(told: Sequence[Reported], folder: Path) -> list[Path]:
    """Write report.png and report.json to the folder, which is made."""
    from matplotlib.figure import Figure

    folder.mkdir(parents=True, exist_ok=True)
    figure = Figure(figsize=(12, 8.5), layout="constrained")
    axes = figure.subplots(2, 2)
    _drift(axes[0][0], told)
    _scores(axes[0][1], told)
    _means(axes[1][0], told)
    _groups(axes[1][1], told)
    picture, data = folder / "report.png", folder / "report.json"
    figure.savefig(picture, dpi=110)
    data.write_text(json.dumps([dataclasses.asdict(one) for one in told], default=str, indent=1))
    return [picture, data]


def _names(told: Sequence[Reported]) -> list[str]:
    return [f"{one.day}\n{one.version[:6]}" for one in told]


def _drift(axes: Axes, told: Sequence[Reported]) -> None:
    places = range(len(told))
    for name, mark in zip(FEATURES, MARKS, strict=True):
        axes.plot(places, [one.drift.psi.get(name, float("nan")) for one in told], marker=mark, label=name)
    scores = [float("nan") if one.drift.score_psi is None else one.drift.score_psi for one in told]
    axes.plot(places, scores, "k--", marker="*", label="the score")
    axes.axhline(MOVED, color="grey", linestyle=":")
    axes.set(title=f"PSI against training; {MOVED} is much", xticks=places, xticklabels=_names(told), ylim=(0, None))
    axes.legend(fontsize="x-small")


def _scores(axes: Axes, told: Sequence[Reported]) -> None:
    middles = [(place + 0.5) / TENTHS for place in range(TENTHS)]
    for one, mark in zip(told[-len(MARKS) :], MARKS, strict=False):
        total = sum(one.histogram) or 1
        shares = [number / total for number in one.histogram]
        axes.plot(middles, shares, marker=mark, label=f"{one.day} {one.version[:6]}")
    axes.set(title="Scores", xlabel="score", ylabel="share of the applications", xlim=(0, 1), ylim=(0, None))
    if told:
        axes.legend(fontsize="x-small")


def _means(axes: Axes, told: Sequence[Reported]) -> None:
    places = range(len(told))
    axes.plot(places, [one.drift.mean_score for one in told], marker="o", label="champion, mean score")
    axes.plot(places, [one.drift.mean_challenger for one in told], marker="s", label="challenger, mean score")
    axes.plot(places, [one.drift.distance for one in told], marker="^", label="how far they are apart")
    axes.plot(places, [one.drift.review for one in told], marker="v", label="share to be reviewed")
    axes.set(title="Champion, challenger, review", xticks=places, xticklabels=_names(told), ylim=(0, 1))
    axes.legend(fontsize="x-small")


def _groups(axes: Axes, told: Sequence[Reported]) -> None:
    groups = sorted({name for one in told for name in one.drift.groups})
    width = 0.8 / max(len(told), 1)
    for number, one in enumerate(told):
        shares = [one.drift.groups.get(name, 0.0) for name in groups]
        axes.bar([place + number * width for place in range(len(groups))], shares, width, label=_names([one])[0])
    best = max((share for one in told for share in one.drift.groups.values()), default=0.0)
    axes.axhline(FOUR_FIFTHS * best, color="grey", linestyle=":")
    places = [place + 0.4 - width / 2 for place in range(len(groups))]
    axes.set(title="Share at or above the cutoff, by group; dots: four fifths of the best", xticks=places)
    axes.set_xticklabels(groups)
    if told and groups:
        axes.legend(fontsize="x-small", loc="lower right")
