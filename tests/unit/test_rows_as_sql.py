"""What each domain writes of a row by itself is what `literals` makes of the same row."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from card_transactions.messages import CardPayment
from loans.messages import LoanPayment
from pipeline.mysql.literals import literals
from stocks.messages import Quote
from tests.unit.alike import ROUTES
from tests.unit.reading import patient
from transactions.messages import Transfer

IDS = st.integers(0, 2**32 - 1)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=55) | st.sampled_from(["'", "\\", "\0", "O'Neill"])
MONEY = st.integers(-(10**10) + 1, 10**10 - 1).map(lambda cents: Decimal(cents).scaleb(-2))
PRICES = st.integers(-(10**13) + 1, 10**13 - 1).map(lambda parts: Decimal(parts).scaleb(-6))
CAPS = st.integers(-(10**15) + 1, 10**15 - 1).map(lambda cents: Decimal(cents).scaleb(-2))
MOMENTS = st.datetimes(datetime(1000, 1, 1), datetime(9999, 12, 31)).map(lambda moment: moment.replace(microsecond=0))
CODES = st.none() | st.integers(0, 999)
MESSAGES: dict[str, st.SearchStrategy[Any]] = {
    "transaction": st.builds(Transfer, IDS, IDS, TEXTS, MONEY, MOMENTS),
    "card_transaction": st.builds(
        *(CardPayment, st.integers(0, 10**16 - 1), IDS, TEXTS, MONEY, CODES, CODES, CODES),
        *(st.sampled_from([None, "US", "fr"]), MOMENTS),
    ),
    "loan_payment": st.builds(LoanPayment, IDS, IDS, MONEY, MOMENTS),
    "stock": st.builds(Quote, TEXTS, TEXTS, PRICES, CAPS, st.integers(-(2**63), 2**63 - 1), PRICES, PRICES, MOMENTS),
}


@pytest.mark.parametrize("kind", ROUTES)
@pytest.mark.parametrize("status", [1, -2])
def test_a_row_is_said_as_its_literals_up_to_the_status(kind: str, status: int) -> None:
    domain = ROUTES[kind]
    assert domain.table.columns[-1] == "status"

    @patient
    @given(MESSAGES[kind])
    def check(message: Any) -> None:
        row = domain.row(message, status)
        assert row[-1] == status
        assert domain.said(message, status).encode() == literals(row[:-1])

    check()


def test_a_zero_is_written_with_its_decimals() -> None:
    zero, moment = Decimal("0.000000"), datetime(2021, 10, 6)
    said = ROUTES["stock"].said(Quote("T", "n", zero, Decimal("0.00"), 0, zero, zero, moment), 1)
    assert said == "'T','n',0.000000,0.00,0,0.000000,0.000000,'2021-10-06 00:00:00'"
