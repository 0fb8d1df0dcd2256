"""How an evaluation is told, to people and to machines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.console.output import answer, table

if TYPE_CHECKING:
    from loan_scoring.model.evaluation import Evaluation


def tell(version: str, evaluation: Evaluation, as_json: bool, *lines: str) -> None:
    """Figures, tenths and segments of a version, then `lines`."""
    figures = table("figure", "value", whole=1)
    for name, value in evaluation.figures.items():
        figures.add_row(name.replace("_", " "), f"{value:,.0f}" if name == "loans" else f"{value:.4f}")
    tenths = table("tenth of the scores", "loans", "foretold", "paid back", whole=1)
    for number, one in enumerate(evaluation.tenths, 1):
        tenths.add_row(str(number), f"{one.loans:,}", f"{one.foretold:.3f}", f"{one.paid:.3f}")
    segments = table("segment", "loans", "AUC", "foretold", "paid back", "above the cutoff", whole=1)
    for part in evaluation.segments:
        auc = "" if part.auc is None else f"{part.auc:.3f}"
        segments.add_row(
            part.name, f"{part.loans:,}", auc, f"{part.foretold:.3f}", f"{part.paid:.3f}", f"{part.above:.3f}"
        )
    data = {
        "version": version,
        "figures": evaluation.figures,
        "tenths": [one._asdict() for one in evaluation.tenths],
        "segments": [one._asdict() for one in evaluation.segments],
    }
    answer(as_json, data, figures, tenths, segments, *lines)
