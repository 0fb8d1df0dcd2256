"""The table of predictions: exactly one row for each application."""

from __future__ import annotations

from typing import Final

import pyarrow as pa  # type: ignore[import-untyped]

from loan_scoring.features import FEATURES
from loan_scoring.names import PREDICTIONS
from pipeline.lake.table import Table

KEY: Final = "application_id"
APPLIED_AT: Final = "applied_at"
SUCCESS, REVIEW = "success", "review"
OLD_COLUMNS: Final = ("annual_inc", "data", "funded_amnt", "member_id", "status")
"""Of the table before this one, in its order."""

FEATURES_TYPE: Final = pa.struct([(name, pa.float64()) for name in FEATURES])
COLUMNS: Final = pa.schema(
    [
        pa.field("application_id", pa.string(), nullable=False),
        pa.field("member_id", pa.int32()),
        pa.field("annual_inc", pa.int32()),
        pa.field("funded_amnt", pa.int32()),
        pa.field("data", pa.float32()),
        pa.field("status", pa.string()),
        pa.field("reasons", pa.list_(pa.string())),
        pa.field("model_version", pa.string()),
        pa.field("applied_at", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("scored_at", pa.timestamp("us", tz="UTC")),
        pa.field("challenger", pa.float32()),
        pa.field("features", FEATURES_TYPE),
        pa.field("fund_rate", pa.float64()),
        pa.field("applicant_group", pa.string()),
        pa.field("content", pa.binary()),
    ]
)
"""Those of the contract, and behind them what scores are explained, watched and told again by."""
# No row is ever replaced, so that nothing has to be merged when read; a merge that finds rows of its keys would write
# their whole file anew if it were to copy what it does not change.
TABLE: Final = Table(
    PREDICTIONS,
    COLUMNS,
    day=APPLIED_AT,
    sort=(KEY,),
    properties={"write.merge.mode": "merge-on-read"},
    says="One row for each loan application: data is the chance that the loan is paid back",
)
