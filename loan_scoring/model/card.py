"""The card of a model: what people have to know before they let it decide, in Markdown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from loan_scoring.features import FEATURES
from loan_scoring.model.evaluation import Evaluation, least_impact
from loan_scoring.scorecard import Feature, Scorecard

MEANINGS: Final = {
    "auc": "how often, of a loan that was paid back and one that was not, the former has the higher score",
    "ks": "the largest distance between the shares of both kinds below a score (Kolmogorov, Smirnov)",
    "brier": "mean square of score minus outcome; lower is better",
    "calibration_error": "mean distance of what was foretold from what came, by tenths of the scores",
    "challenger_auc": "of the model that is scored beside it",
    "challenger_brier": "of the model that is scored beside it",
    "best_auc": "of the true chances, which are known of loans that are made up: no model can be better",
    "best_brier": "of the true chances",
    "paid": "share of these loans that was paid back",
    "loans": "that training has not seen",
}
LIMITS: Final = """\
## What it means, and what it does not

- The score is the chance that the loan is paid back, as it was among the loans that it was trained on: no decision.
- `int_rate`, `term` and `funded_amnt` are decisions of the lender already: the score says how a loan *at this rate and
  of this sum* fares, and cannot be used to set the rate without turning in a circle.
- `fund_rate` is no feature: nobody knows it when someone applies. It only counts among the fields that may be missing.
- Loans that were never granted have no outcome: people whom the lender turned away are not among what it learned from.
- No model sees a group of people, but features may stand for one: the shares above the cutoff are told for each group
  here, and are watched by the service.
- A missing value is worth what loans with that value missing came to, which is no reason to leave it out: it may change
  with who leaves it out.
"""


def card(scorecard: Scorecard, evaluation: Evaluation) -> str:
    """The whole card. The version is not in it: the version is the hash of the scorecard."""
    return "\n".join([*_head(scorecard), *_figures(evaluation), *_tenths(evaluation), *_segments(evaluation), LIMITS,
                      *_points(scorecard)])  # fmt: skip


def _head(scorecard: Scorecard) -> Iterator[str]:
    yield "# A scorecard for loans\n"
    for name, value in scorecard.trained.items():
        yield f"- {name.replace('_', ' ')}: {value}"
    yield f"- may be missing: {', '.join(scorecard.may_be_missing)}; with more than {scorecard.most_missing} of them"
    yield "  missing, the status is `review`"
    yield f"- cutoff that groups are compared by: {scorecard.cutoff:.3f}\n"


def _figures(evaluation: Evaluation) -> Iterator[str]:
    yield "## Evaluation\n"
    yield "| figure | value | what it is |\n|---|---|---|"
    for name, value in evaluation.figures.items():
        shown = f"{value:,.0f}" if name == "loans" else f"{value:.4f}"
        yield f"| {name} | {shown} | {MEANINGS[name]} |"


def _tenths(evaluation: Evaluation) -> Iterator[str]:
    yield "\n| tenth of the scores | loans | foretold | paid back |\n|---|---|---|---|"
    for number, one in enumerate(evaluation.tenths, 1):
        yield f"| {number} | {one.loans:,} | {one.foretold:.3f} | {one.paid:.3f} |"


def _segments(evaluation: Evaluation) -> Iterator[str]:
    yield "\n| segment | loans | AUC | foretold | paid back | at or above the cutoff |\n|---|---|---|---|---|---|"
    for one in evaluation.segments:
        auc = "" if one.auc is None else f"{one.auc:.3f}"
        yield f"| {one.name} | {one.loans:,} | {auc} | {one.foretold:.3f} | {one.paid:.3f} | {one.above:.3f} |"
    impact = least_impact(evaluation.segments)
    if impact is not None:
        yield f"\nDisparate impact (the lowest share of a group above the cutoff by the highest): {impact:.3f}\n"


def _points(scorecard: Scorecard) -> Iterator[str]:
    yield f"## Points, in log-odds; the base is {scorecard.base:.4f}\n"
    yield "| feature | more of it | from | points | share in training |\n|---|---|---|---|---|"
    for feature in scorecard.features:
        yield from _rows(feature)


def _rows(feature: Feature) -> Iterator[str]:
    way = "raises the score" if FEATURES[feature.name] > 0 else "lowers the score"
    begins = ["", *(f"{split:g}" for split in feature.splits)]
    for begin, points, share in zip(begins, feature.points, feature.shares, strict=False):
        yield f"| {feature.name} | {way} | {begin} | {points:+.4f} | {share:.3f} |"
    if feature.missing is not None:
        yield f"| {feature.name} | {way} | missing | {feature.missing:+.4f} | {feature.shares[-1]:.3f} |"
