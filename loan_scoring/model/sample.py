"""Loans that are over, to learn from: what was known when someone applied, and whether it was paid back."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from loan_scoring.application import Application, application
from pipeline.messages.fields import MISSING_FIELD, WRONG_TYPE
from pipeline.runtime.errors import Fatal, Rejected

PAID = "paid"
"""The column of a file that tells how a loan ended: 1 paid back, 0 not."""


@dataclass(frozen=True)
class Sample:
    """`features`: a row for each loan, in the order of `FEATURES`, NaN where missing. `group`: "" where nobody told.

    `truth`: the chance that the loan would be paid back; None where that is nobody's knowledge.
    """

    features: npt.NDArray[np.float64]
    paid: npt.NDArray[np.bool_]
    group: npt.NDArray[np.str_]
    fund_rate: npt.NDArray[np.float64]
    truth: npt.NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.paid)

    def part(self, chosen: npt.NDArray[np.bool_] | npt.NDArray[np.int64]) -> Sample:
        """Some of the loans."""
        truth = None if self.truth is None else self.truth[chosen]
        return Sample(self.features[chosen], self.paid[chosen], self.group[chosen], self.fund_rate[chosen], truth)

    def split(self, share: float, seed: int) -> tuple[Sample, Sample]:
        """Two parts by chance, the first of this share."""
        first = np.random.default_rng([seed, 17]).random(len(self)) < share
        return self.part(first), self.part(~first)


def of_file(path: Path, group_field: str) -> tuple[Sample, Counter[str]]:
    """The loans of a CSV file with the names of an application's fields and `paid` as its headings.

    Each is read by the rules that applications of the topic are read by; how many could not be, by reason. Raises
    `Fatal` where that leaves nothing to learn from.
    """
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise Fatal(f"{path}: {error}") from error
    found, faults = list[tuple[Application, bool]](), Counter[str]()
    for row in frame.to_dict("records"):
        try:
            found.append((application({str(name): value for name, value in row.items()}, group_field), _paid(row)))
        except Rejected as rejected:
            faults[str(rejected)] += 1
    if not found or len({paid for _, paid in found}) < 2:
        reasons = ", ".join(f"{number:,} {reason}" for reason, number in faults.most_common(3))
        raise Fatal(
            f"{path} has no loans of both kinds, paid and not: {len(found):,} were read; {reasons or 'no fault'}"
        )
    features = np.array([one.features for one, _ in found], dtype=float)
    groups = np.array([one.group or "" for one, _ in found])
    rates = np.array([one.fund_rate for one, _ in found], dtype=float)
    return Sample(features, np.array([paid for _, paid in found]), groups, rates), faults


def _paid(row: dict[object, object]) -> bool:
    given = str(row.get(PAID, "")).strip()
    if given not in ("0", "1"):
        raise Rejected(WRONG_TYPE if given else MISSING_FIELD, PAID)
    return given == "1"
