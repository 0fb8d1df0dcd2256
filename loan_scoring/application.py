"""An application as it is read from a record.

| reason        | meaning                                                                                         |
|---------------|-------------------------------------------------------------------------------------------------|
| no_value      | a record without a value                                                                        |
| empty         | no characters, or blanks only                                                                   |
| not_utf8      | bytes that are no text                                                                          |
| not_json      | no JSON                                                                                         |
| not_an_object | JSON, but a list, a number, a text                                                              |
| bad_id        | an application_id that is neither a text of 1 to 128 characters nor an integer of as many       |
| missing_field | a field that has to be there is absent, null, empty or NA                                       |
| wrong_type    | no number: a boolean, a list, words, a decimal comma, a mark that the field does not bear       |
| not_finite    | NaN or an infinity                                                                              |
| negative      | a number below zero                                                                             |
| out_of_range  | a number that INT does not hold, or a rate above 100 %                                          |
| bad_term      | a term of other than 36 and 60 months                                                           |
| conflict      | an application_id that was there already with another content: the first counts (`service.py`)  |
"""

from __future__ import annotations

import re
from decimal import Decimal
from hashlib import blake2b
from typing import Final, NamedTuple, TypeVar

from loan_scoring.features import OPTIONAL
from loan_scoring.figures import figure, is_missing, rounded, whole
from pipeline.messages.decoding import decode
from pipeline.messages.fields import MISSING_FIELD, OUT_OF_RANGE, Fields, is_storable
from pipeline.messages.identity import as_id
from pipeline.runtime.errors import Rejected

APPLICATION_ID: Final = "application_id"
BAD_TERM: Final = "bad_term"
TERMS: Final = (36.0, 60.0)
"""Months."""
PERCENT: Final = 100
LONGEST_GROUP: Final = 64
"""Characters of a group's name."""
PLACE, OWN = "place:", "id:"

T = TypeVar("T")
_TERM: Final = re.compile(r"(36|60)(?:\.0*)?(?:\s*months?)?", re.ASCII | re.IGNORECASE)


class Application(NamedTuple):
    """`own_id`: the producer's, None where it gave none. `features`: as `FEATURES` orders them, None where missing.

    `annual_inc`, `funded_amnt`: to the nearest whole number. `fund_rate`: a share. `missing`: how many of the
    `OPTIONAL` fields are. `group`: of people, if the record tells; no feature.
    """

    own_id: str | None
    member_id: int
    annual_inc: int
    funded_amnt: int
    features: tuple[float | None, ...]
    fund_rate: float | None
    missing: int
    group: str | None

    @property
    def content(self) -> bytes:
        """The same for applications that say the same, however they write it; 16 bytes."""
        said = repr((self.member_id, self.features, self.fund_rate))
        return blake2b(said.encode(), digest_size=16, person=b"application").digest()


def read(value: bytes | None, group_field: str) -> Application:
    """The application that a record holds. Raises `Rejected`."""
    if value is None:
        raise Rejected("no_value")
    return application(decode(value), group_field)


def application(fields: Fields, group_field: str) -> Application:
    """The application that these fields are. `group_field`: the one that tells of a group. Raises `Rejected`."""
    given = fields.get(APPLICATION_ID)
    own_id = None if given is None else as_id(given, APPLICATION_ID)
    member_id = _there(whole(fields.get("member_id"), "member_id"), "member_id")
    bc_open_to_buy = figure(fields.get("bc_open_to_buy"), "bc_open_to_buy", "$")
    il_limit = figure(fields.get("total_il_high_credit_limit"), "total_il_high_credit_limit", "$")
    dti = figure(fields.get("dti"), "dti", "%")
    annual_inc = _amount(fields, "annual_inc")
    bc_util = figure(fields.get("bc_util"), "bc_util", "%")
    int_rate = _there(_rate(fields, "int_rate"), "int_rate")
    term = _term(fields.get("term"))
    loan_amnt = _amount(fields, "loan_amnt")
    fund_rate = _rate(fields, "fund_rate")
    funded_amnt = _amount(fields, "funded_amnt")
    features = (bc_open_to_buy, il_limit, dti, annual_inc, bc_util, int_rate, term, loan_amnt, funded_amnt)
    missing = (bc_open_to_buy, il_limit, dti, bc_util, fund_rate).count(None)
    whole_numbers = rounded(annual_inc), rounded(funded_amnt)
    return Application(own_id, member_id, *whole_numbers, features, fund_rate, missing, _group(fields.get(group_field)))


def application_id(own_id: str | None, topic: str, identity: str, partition: int, offset: int) -> str:
    """What a row is known by: the producer's own id, else the record's place in this very topic.

    No own id is ever that of a place: one that begins as those do is escaped.
    """
    if own_id is None:
        return f"{PLACE}{topic}:{identity}:{partition}:{offset}"
    return f"{OWN}{own_id}" if own_id.startswith((PLACE, OWN)) else own_id


def _there(value: T | None, name: str) -> T:
    if value is None:
        raise Rejected(MISSING_FIELD, name)
    return value


def _amount(fields: Fields, name: str) -> float:
    return _there(figure(fields.get(name), name, "$"), name)


def _rate(fields: Fields, name: str) -> float | None:
    """A share, from what is written in percent."""
    found = figure(fields.get(name), name, "%")
    if found is not None and found > PERCENT:
        raise Rejected(OUT_OF_RANGE, name)
    return None if found is None else found / PERCENT


def _term(value: object) -> float:
    if is_missing(value):
        raise Rejected(MISSING_FIELD, "term")
    if type(value) is str and (found := _TERM.fullmatch(value.strip())):
        return float(found[1])
    if type(value) is int or type(value) is Decimal:
        number = figure(value, "term")
        if number in TERMS:
            return number
    elif type(value) is not str:
        figure(value, "term")
    raise Rejected(BAD_TERM, "term")


def _group(value: object) -> str | None:
    """Never a reason for a letter: what is no short text tells of no group."""
    if type(value) is not str or not value.strip() or len(value) > LONGEST_GROUP or not is_storable(value):
        return None
    return value.strip()


assert len(OPTIONAL) == 5  # what `missing` counts
