"""The model that is scored beside the champion and never decides: trees of XGBoost, in a file of JSON."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from loan_scoring.features import FEATURES

if TYPE_CHECKING:
    from xgboost import Booster

THREADS: Final = 1
"""Of a task: Spark has one for each core already."""


def scores(file: str, rows: Sequence[Sequence[float | None]]) -> npt.NDArray[np.float64]:
    """Of being paid back, for rows of values as `FEATURES` orders them."""
    if not rows:
        return np.empty(0)
    found: Any = loaded(file).inplace_predict(np.array(rows, dtype=np.float32))
    return np.asarray(found, dtype=np.float64)


@lru_cache(2)
def loaded(file: str) -> Booster:
    """The model of a file, once in a process. Raises `ValueError` for what is none."""
    from xgboost import Booster
    from xgboost.core import XGBoostError

    booster = Booster({"nthread": THREADS})
    try:
        booster.load_model(bytearray(file.encode()))
    except XGBoostError as error:
        raise ValueError(str(error).splitlines()[0]) from None
    if booster.num_features() != len(FEATURES):
        raise ValueError(f"it scores {booster.num_features()} features, not {len(FEATURES)}")
    booster.set_param({"nthread": THREADS})
    return booster
