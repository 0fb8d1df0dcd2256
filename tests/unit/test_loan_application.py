"""What an application is read as, and why it is a letter."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loan_scoring.application import Application, application_id, read
from loan_scoring.features import FEATURES
from loan_scoring.figures import LARGEST, figure, rounded
from pipeline.runtime.errors import Rejected

GOOD: dict[str, Any] = {
    "member_id": "1296599",
    "bc_open_to_buy": "1,506",
    "total_il_high_credit_limit": "NA",
    "dti": "27.65",
    "annual_inc": "24000",
    "bc_util": "83.7%",
    "int_rate": "10.65%",
    "term": " 36 months",
    "loan_amnt": 5000,
    "fund_rate": "99.5",
    "funded_amnt": "5000.00",
}


def taken(**changes: Any) -> Application:
    return read(json.dumps({**GOOD, **changes}).encode(), "applicant_group")


def refusal(value: bytes | None) -> str:
    with pytest.raises(Rejected) as refused:
        read(value, "applicant_group")
    return str(refused.value)


def refused(**changes: Any) -> str:
    return refusal(json.dumps({**GOOD, **changes}).encode())


def test_the_old_shapes_are_read() -> None:
    found = taken(application_id=7, applicant_group=" under 30 ")
    assert found == Application(
        own_id="7",
        member_id=1_296_599,
        annual_inc=24_000,
        funded_amnt=5_000,
        features=(1506.0, None, 27.65, 24000.0, 83.7, 0.1065, 36.0, 5000.0, 5000.0),
        fund_rate=0.995,
        missing=1,
        group="under 30",
    )
    assert len(found.features) == len(FEATURES)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12.5", 12.5),
        (" 12.5 ", 12.5),
        ("+12.5", 12.5),
        ("1,234,567.5", 1_234_567.5),
        ("1 234 567", 1_234_567),
        ("$ 1,200", 1200),
        ("$1200", 1200),
        ("1.5e3", 1500),
        (".5", 0.5),
        ("5.", 5),
        ("0", 0),
        ("-0", 0),
        ("\u00a012\u00a0", 12),
        (12, 12),
        (12.25, 12.25),
        ("2147483647", LARGEST),
        ("", None),
        ("  ", None),
        ("NA", None),
        (" na ", None),
        ("N/A", None),
        (None, None),
    ],
)
def test_a_number_is_what_it_says(text: Any, value: float | None) -> None:
    assert figure(Decimal(str(text)) if isinstance(text, float) else text, "annual_inc", "$") == value


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("12,5", "wrong_type"),
        ("1,23,456", "wrong_type"),
        ("12 5", "wrong_type"),
        ("1.2.3", "wrong_type"),
        ("abc", "wrong_type"),
        ("13%", "wrong_type"),
        ("0x10", "wrong_type"),
        ("١٢", "wrong_type"),
        ("1" * 65, "wrong_type"),
        (True, "wrong_type"),
        ([1], "wrong_type"),
        ({}, "wrong_type"),
        ("NaN", "not_finite"),
        ("-inf", "not_finite"),
        (Decimal("NaN"), "not_finite"),
        ("-5", "negative"),
        ("$-5", "negative"),
        ("-$5", "negative"),
        (-1, "negative"),
        (Decimal("-0.01"), "negative"),
        (10**12, "out_of_range"),
        (Decimal("1e999999999"), "out_of_range"),
        pytest.param(10**5000, "out_of_range", id="5001 digits"),
        ("1e300", "out_of_range"),
        ("2147483647.5", "out_of_range"),
        ("9" * 60, "out_of_range"),
    ],
)
def test_what_is_no_amount_is_a_letter(value: Any, reason: str) -> None:
    with pytest.raises(Rejected) as refused:
        figure(value, "annual_inc", "$")
    assert (refused.value.reason, refused.value.detail) == (reason, "annual_inc")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"term": " 48 months"}, "bad_term: term"),
        ({"term": 48}, "bad_term: term"),
        ({"term": "36 years"}, "bad_term: term"),
        ({"term": True}, "wrong_type: term"),
        ({"term": [36]}, "wrong_type: term"),
        ({"term": "NA"}, "missing_field: term"),
        ({"int_rate": "100.01%"}, "out_of_range: int_rate"),
        ({"int_rate": "-1%"}, "negative: int_rate"),
        ({"int_rate": "abc"}, "wrong_type: int_rate"),
        ({"int_rate": ""}, "missing_field: int_rate"),
        ({"fund_rate": 101}, "out_of_range: fund_rate"),
        ({"annual_inc": -1}, "negative: annual_inc"),
        ({"annual_inc": 1e12}, "out_of_range: annual_inc"),
        ({"annual_inc": "n/a"}, "missing_field: annual_inc"),
        ({"loan_amnt": None}, "missing_field: loan_amnt"),
        ({"funded_amnt": False}, "wrong_type: funded_amnt"),
        ({"member_id": 2**31}, "out_of_range: member_id"),
        ({"member_id": 1.5}, "wrong_type: member_id"),
        ({"member_id": "NA"}, "missing_field: member_id"),
        ({"application_id": ""}, "bad_id: application_id"),
        ({"application_id": "x" * 129}, "bad_id: application_id"),
        ({"application_id": 1.5}, "bad_id: application_id"),
        ({"application_id": ["a"]}, "bad_id: application_id"),
        ({"application_id": True}, "bad_id: application_id"),
        ({"application_id": "\ud800"}, "bad_id: application_id"),
    ],
)
def test_what_is_no_application_is_a_letter_that_names_the_field(changes: dict[str, Any], reason: str) -> None:
    assert refused(**changes) == reason


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "no_value"),
        (b"", "empty"),
        (b" \n", "empty"),
        (b"\xff\xfe{\x00}\x00", "not_utf8"),
        ("{}".encode("utf-16"), "not_utf8"),
        (b"{", "not_json"),
        (b"[" * 100_000, "not_json"),
        (b"[]", "not_an_object"),
        (b'"text"', "not_an_object"),
        (b"{}", "missing_field: member_id"),
        (json.dumps(GOOD).encode().replace(b"5000,", b"NaN,", 1), "not_finite: loan_amnt"),
    ],
)
def test_what_is_no_object_is_a_letter(value: bytes | None, reason: str) -> None:
    assert refusal(value) == reason


def test_rates_of_0_and_100_and_bare_terms_are_read() -> None:
    assert taken(int_rate=0).features[5] == 0.0
    assert taken(int_rate="100").features[5] == 1.0
    assert [taken(term=term).features[6] for term in (36, "36", 60.0, "60 months", " 60 Month ")] == [
        36,
        36,
        60,
        60,
        60,
    ]
    assert read(b"\xef\xbb\xbf" + json.dumps(GOOD).encode(), "g").member_id == 1_296_599, "a byte order mark"


def test_all_five_that_may_be_missing_are_counted() -> None:
    gone = dict.fromkeys(("bc_open_to_buy", "total_il_high_credit_limit", "bc_util", "dti", "fund_rate"))
    found = taken(**gone)
    assert found.missing == 5
    assert found.features == (None, None, None, 24000.0, None, 0.1065, 36.0, 5000.0, 5000.0)


def test_a_sum_is_rounded_for_its_column_and_exact_for_the_model() -> None:
    found = taken(annual_inc="65000.50", funded_amnt="4999.49")
    assert (found.annual_inc, found.funded_amnt) == (65_001, 4_999)
    assert found.features[3] == 65000.5
    assert rounded(float(LARGEST)) == LARGEST


def test_content_is_the_same_however_it_is_written() -> None:
    assert taken().content == taken(bc_open_to_buy=1506, int_rate=10.65, term="36", applicant_group="x", more=1).content
    for name in ("member_id", "fund_rate", *FEATURES):
        value = 60 if name == "term" else 50
        assert taken(**{name: value}).content != taken().content, name


def test_a_group_is_never_a_reason_for_a_letter() -> None:
    for value in (None, "", "  ", 7, ["x"], "x" * 65, "\ud800"):
        assert taken(applicant_group=value).group is None
    assert read(json.dumps({**GOOD, "age_band": "30+"}).encode(), "age_band").group == "30+"


def test_no_id_of_a_producer_is_ever_that_of_a_place() -> None:
    place = application_id(None, "loans", "Q1w2", 3, 17)
    assert place == "place:loans:Q1w2:3:17"
    own = [place, f"id:{place}", "id:x", "x", "id:", "place:"]
    known_as = [application_id(one, "loans", "Q1w2", 3, 17) for one in own]
    assert place not in known_as
    assert len(set(known_as)) == len(own)
    assert application_id("x", "loans", "Q1w2", 3, 17) == "x"
    assert application_id(None, "loans", "other", 3, 17) != place, "a topic that was made anew"


@given(st.one_of(st.text(), st.integers(), st.decimals(), st.booleans(), st.none(), st.lists(st.integers())))
def test_whatever_a_field_holds_is_a_number_within_int_missing_or_a_reason(value: Any) -> None:
    for mark in ("", "$", "%"):
        try:
            found = figure(value, "dti", mark)
        except Rejected as rejected:
            assert rejected.reason in ("wrong_type", "not_finite", "negative", "out_of_range")
        else:
            assert found is None or 0 <= found <= LARGEST
