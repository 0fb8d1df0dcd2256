"""The model against life: scores that were given, beside how the loans ended."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from loan_scoring.looks import since_day
from loan_scoring.table import KEY
from pipeline.lake.errors import translated
from pipeline.runtime.errors import Fatal

if TYPE_CHECKING:
    from pyiceberg.table import Table

PAID: Final = "paid"


class Judged(NamedTuple):
    """Of one version: loans that ended, the share paid back, what was foretold. AUC None where all ended alike."""

    version: str
    loans: int
    paid: float
    foretold: float
    auc: float | None
    challenger_auc: float | None


def judged(table: Table, since: date, outcomes: Path) -> list[Judged]:
    """By version. `outcomes`: a CSV file with application_id and paid (1, 0). Raises `Transient`, `Fatal`."""
    ended = _read(outcomes)
    with translated():
        fields = (KEY, "data", "challenger", "model_version")
        scores = table.scan(since_day(since), selected_fields=fields).to_pandas()
    both = scores.merge(ended, on=KEY)
    return [_judged(str(version), some) for version, some in both.groupby("model_version")]


def auc(paid: npt.NDArray[np.bool_], scores: npt.NDArray[np.float64]) -> float | None:
    """How often, of one paid back and one that was not, the former has the higher score; ties count half."""
    good = int(paid.sum())
    bad = len(paid) - good
    if not good or not bad:
        return None
    ranks = pd.Series(scores).rank().to_numpy()
    return float((ranks[paid].sum() - good * (good + 1) / 2) / (good * bad))


def _judged(version: str, some: pd.DataFrame) -> Judged:
    paid, scores = some[PAID].to_numpy(dtype=bool), some["data"].to_numpy(dtype=float)
    beside = some["challenger"].to_numpy(dtype=float)
    known = ~np.isnan(beside)
    return Judged(
        version, len(some), float(paid.mean()), float(scores.mean()), auc(paid, scores), auc(paid[known], beside[known])
    )


def _read(path: Path) -> pd.DataFrame:
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise Fatal(f"{path}: {error}") from error
    if not {KEY, PAID} <= set(frame.columns) or not frame[PAID].isin(["0", "1"]).all():
        raise Fatal(f"{path}: needs the columns {KEY} and {PAID}, of which the latter is 1 or 0 in every row")
    repeated = int(frame[KEY].duplicated().sum())
    if repeated:
        raise Fatal(f"{path}: {repeated:,} applications are in it more than once")
    return pd.DataFrame({KEY: frame[KEY], PAID: frame[PAID] == "1"})
