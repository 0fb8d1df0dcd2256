"""What topic, tables and view are called; they are others' as well, and never change."""

from __future__ import annotations

from typing import Final

READS: Final = "fintech_pyspark"
PREDICTIONS: Final = "lending.predictions"
HIVE_VIEW: Final = "lending.predictions_hive"
