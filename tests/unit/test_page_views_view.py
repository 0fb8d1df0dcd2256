"""What a line is read as, and why it is a letter; robots by two lists, each held against the other."""

from __future__ import annotations

import contextlib
import json

import pytest
from crawlerdetect import CrawlerDetect  # type: ignore[import-untyped]
from crawleruseragents import CRAWLER_USER_AGENTS_DATA, is_crawler  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from page_views.robots import is_robot
from page_views.view import AHEAD, LONGEST, View, clean, is_header, read, told
from pipeline.runtime.errors import Rejected

NOW = 1_790_000_000
GOOD = "u1,https://example.org/a/?utm_source=News,1534849271.9,Chrome,Linux,1920x1080"
USER_AGENTS = [agent for entry in CRAWLER_USER_AGENTS_DATA for agent in entry["instances"]]
PEOPLE = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 "
    "Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
    *(
        "Chrome",
        "Firefox",
        "Safari",
        "Edge",
        "Opera",
        "Samsung Internet",
        "Internet Explorer",
        "Yandex Browser",
        "Brave",
    ),
    "",
)


def taken(line: str | bytes) -> View:
    return read(line.encode() if isinstance(line, str) else line, NOW * 1000)


def refusal(line: str | bytes | None) -> str:
    with pytest.raises(Rejected) as refused:
        read(line.encode() if isinstance(line, str) else line, NOW * 1000)
    return str(refused.value)


def with_(**changes: str) -> str:
    names = ("user", "url", "time", "browser", "os", "screen")
    fields = dict(zip(names, GOOD.split(","), strict=True))
    return ",".join({**fields, **changes}.values())


def test_a_view_is_told_with_names_in_camel_case_and_what_is_not_known_is_left_out() -> None:
    assert json.loads(told(taken(GOOD))) == {
        "anonymousUserId": "u1",
        "url": "https://example.org/a/?utm_source=News",
        "time": "2018-08-21T11:01:11.000Z",
        "browser": "Chrome",
        "os": "Linux",
        "screenResolution": "1920x1080",
        "path": "/a",
        "utmSource": "news",
    }


def test_ends_of_lines_quotes_and_blanks_around_fields_change_nothing() -> None:
    for line in (f"{GOOD}\r\n", f"{GOOD}\n", GOOD.replace(",", " , "), ",".join(f'"{f}"' for f in GOOD.split(","))):
        assert taken(line) == taken(GOOD)
    assert taken(with_(url='"https://example.org/a,b?x=""1"""')).url == 'https://example.org/a,b?x="1"'


BAD = {
    "": "empty",
    " \r\n": "empty",
    "anonymous_user_id,url,time,browser,os,screen_resolution": "header",
    '"u1,https://example.org': "bad_quotes",
    "u1": "wrong_columns",
    GOOD + ",more": "wrong_columns",
    GOOD.rpartition(",")[0]: "wrong_columns",
    with_(user=""): "no_user: anonymous_user_id",
    with_(user="  "): "no_user: anonymous_user_id",
    with_(url=""): "missing_field: url",
    with_(url="/relative"): "bad_address: url",
    with_(url="http://a:99999/"): "bad_address: url",
    with_(url="javascript:alert(1)"): "not_http: url",
    with_(time=""): "missing_field: time",
    with_(time="NaN"): "not_finite: time",
    with_(time="-inf"): "not_finite: time",
    with_(time="-5"): "too_early: time",
    with_(time="-" + "9" * 400): "too_early: time",
    with_(time="0"): "too_early: time",
    with_(time="788918399.9"): "too_early: time",
    with_(time="1534849271061"): "far_ahead: time",
    with_(time="32503680000"): "far_ahead: time",
    with_(time="9" * 400): "far_ahead: time",
    with_(time=str(NOW + AHEAD + 1)): "far_ahead: time",
    with_(time="1e9"): "wrong_type: time",
    with_(time="2018-08-21T21:01:10"): "wrong_type: time",
    with_(time="١٢٣"): "wrong_type: time",
    with_(browser="Googlebot/2.1 (+http://www.google.com/bot.html)"): "robot: browser",
    "x" * (LONGEST + 1): "too_long",
}


@pytest.mark.parametrize("line", BAD)
def test_what_is_no_view_is_refused_with_its_reason(line: str) -> None:
    assert refusal(line) == BAD[line]


def test_a_record_without_a_value_and_bytes_that_are_no_text_are_refused() -> None:
    assert refusal(None) == "no_value"
    assert refusal(b"\xff\xfe," + GOOD.encode()) == "not_utf8"
    assert refusal(b"\x1f\x8b\x08\x00\xff") == "not_utf8"


def test_a_time_may_be_as_old_as_1995_and_a_day_ahead_of_its_record() -> None:
    assert taken(with_(time="788918400")).time == 788_918_400
    assert taken(with_(time=str(NOW + AHEAD))).time == NOW + AHEAD
    assert read(with_(time="253402300799").encode(), 0).time == 253_402_300_799
    for arrived in (0, 10**15):
        with pytest.raises(Rejected, match="far_ahead"):
            read(with_(time="253402300800").encode(), arrived)


def test_no_password_stays_in_a_view_or_in_the_record_of_a_letter() -> None:
    secret = with_(url="https://me:secret@example.org/a")
    assert b"secret" not in told(taken(secret))
    assert clean(secret.encode()).decode() == with_(url="https://example.org/a")
    for line in (
        secret + ",more",
        '"' + secret,
        with_(url="//me:secret@example.org"),
        "https://me:secret@x",
        "\n" + secret,
    ):
        assert b"secret" not in clean(line.encode()), line
    assert b"secret" not in clean(b"\xff" + secret.encode())
    assert clean(with_(browser="me@home", url="https://a.org").encode()).decode() == with_(
        browser="me@home", url="https://a.org"
    )


@given(st.binary())
def test_whatever_comes_is_a_view_or_refused(value: bytes) -> None:
    with contextlib.suppress(Rejected):
        read(value, NOW * 1000)
    assert clean(value) == value or b"@" in value or b"%40" in value


def test_a_header_is_known_in_any_case_with_quotes_and_with_a_mark_of_its_encoding() -> None:
    header = b"anonymous_user_id,url,time,browser,os,screen_resolution"
    for line in (
        header,
        header + b"\r\n",
        b"\xef\xbb\xbf" + header.upper(),
        b'"' + header.replace(b",", b'","') + b'"',
    ):
        assert is_header(line)
    assert not is_header(GOOD.encode())


def test_people_are_no_robots() -> None:
    assert [browser for browser in PEOPLE if is_robot(browser)] == []


def test_every_robot_of_the_one_list_is_known_and_the_other_knows_most_of_them_by_itself() -> None:
    assert len(USER_AGENTS) > 1000
    assert [agent for agent in USER_AGENTS if not is_robot(agent)] == []
    detector = CrawlerDetect()
    share = sum(detector.is_crawler(agent) for agent in USER_AGENTS) / len(USER_AGENTS)
    assert 0.8 < share < 1


def test_the_first_list_by_itself_lacks_robots_that_the_second_knows() -> None:
    for agent in ("Dart/2.19 (dart:io)", "Java/1.8.0_341"):
        assert is_robot(agent)
    assert not is_crawler("Dart/2.19 (dart:io)")
