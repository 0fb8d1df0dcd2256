"""Money: Decimal, rounded once, on entry, to cents, half away from zero."""

from __future__ import annotations

from typing import Final

from pipeline.messages.fields import Column, decimal_column

AMOUNT: Final[Column] = decimal_column(10, 2)
"""What every amount and balance of the bank is stored in: DECIMAL(10,2)."""
