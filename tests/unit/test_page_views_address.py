"""What is told of an address, held against the data of the Web Platform Tests."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from ada_url import URL
from hypothesis import example, given
from hypothesis import strategies as st

from page_views.address import Address, read, without_credentials
from pipeline.runtime.errors import Rejected
from tests.servers import ROOT

WPT: list[dict[str, Any]] = json.loads((ROOT / "tests/data/urls.json").read_text())
BROKEN_PUNYCODE = {"http://a.b.c.xn--pokxncvks", "http://10.0.0.xn--pokxncvks", "file://xn--/p"}
"""The data refuses them; ada takes what cannot be decoded for a name."""


def refusal(text: str) -> str:
    with pytest.raises(Rejected) as refused:
        read(text)
    assert refused.value.detail == "url"
    return refused.value.reason


def test_what_the_web_platform_cannot_parse_is_no_address_and_what_it_can_is_one_if_it_is_a_page_s() -> None:
    wrong, pages = [], 0
    for case in WPT:
        text = case["input"].encode(errors="replace").decode()
        if not text.strip() or text in BROKEN_PUNYCODE:
            continue
        try:
            read(text)
            found = "page"
            pages += 1
        except Rejected as rejected:
            found = rejected.reason
        expected = {"bad_address"} if case.get("failure") else {"page", "not_http"}
        if found not in expected:
            wrong.append((text, found))
    assert wrong == []
    assert pages > 80


def test_of_an_address_with_credentials_the_same_address_without_them_stays() -> None:
    held = 0
    for case in WPT:
        text = case["input"].encode(errors="replace").decode()
        if case.get("failure") or not URL.can_parse(text) or not URL(text).protocol.startswith("http"):
            continue
        cut, wanted = URL(without_credentials(text)), URL(text)
        held += bool(wanted.username or wanted.password)
        wanted.username = wanted.password = ""
        assert cut.href == wanted.href
    assert held > 10


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("https://user:password@example.org/", "https://example.org/"),
        ("https://user@example.org", "https://example.org"),
        ("https:user:password@example.org/", "https:example.org/"),
        ("ht\ntps:/\\us er:p@ss@example.org/@me", "ht\ntps:/\\example.org/@me"),
        ("//user:password@example.org/", "//example.org/"),
        ("ftp://user:password@example.org/", "ftp://example.org/"),
        ("https://a.org/?next=https://u:p@b.org/", "https://a.org/?next=https://b.org/"),
        ("https://a.org/?next=https%3A%2F%2Fu%3Ap%40b.org%2F", "https://a.org/?next=https%3A%2F%2Fb.org%2F"),
        ("https://a.org/?mail=me@b.org", "https://a.org/?mail=me@b.org"),
        ("https://a.org/@me", "https://a.org/@me"),
        ("https://a.org:80/x?y=1,2@3", "https://a.org:80/x?y=1,2@3"),
    ],
)
def test_credentials_are_cut_and_nothing_else_is(text: str, cut: str) -> None:
    assert without_credentials(text) == cut


@given(st.text(st.sampled_from("htps:/\\@?#%40%3A%2Fu.&\n ")))
@example("@\\0@0")
@example("@/\t\\@\\u:p@h")
def test_no_credentials_are_left_in_any_text_that_is_an_address(rest: str) -> None:
    text = without_credentials("http:" + rest)
    if URL.can_parse(text) and "\n" not in rest:
        assert (URL(text).username, URL(text).password) == ("", "")


@pytest.mark.parametrize(
    "text",
    ["http:" * 20_000, "//a" * 30_000, "http%3A%2F%2F" * 8_000, "http://" + "a" * 100_000, "http:" + "@\\" * 50_000],
)
def test_a_hostile_text_takes_no_time_that_matters(text: str) -> None:
    began = time.process_time()
    without_credentials("@" + text)
    assert time.process_time() - began < 0.5


def test_relative_and_other_addresses_are_refused_with_a_reason_each() -> None:
    assert refusal("") == refusal("  ") == "missing_field"
    for text in ("/relative", "page.html", "//example.org/", "http://", "http://exa mple.org/", "http://a:99999/"):
        assert refusal(text) == "bad_address", text
    for text in (
        "javascript:alert(1)",
        "data:text/html,x",
        "mailto:me@example.org",
        "ftp://example.org/",
        "about:blank",
    ):
        assert refusal(text) == "not_http", text


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("https://example.org", "/"),
        ("https://example.org/?x", "/"),
        ("https://example.org/a/b/", "/a/b"),
        ("https://example.org/a//", "/a"),
        ("https://example.org/%7euser/%41%2f%c3%a4", "/~user/A%2F%C3%A4"),
        ("https://example.org/ä b", "/%C3%A4%20b"),
        ("https://example.org/%FF%00%zz", "/%FF%00%zz"),
        ("https://example.org/a/../b/./c", "/b/c"),
        ("HTTPS://EXAMPLE.ORG/Case", "/Case"),
        (" \thttp://[::1]:0/six\n", "/six"),
        ("http://bücher.example/x", "/x"),
        ("http://xn--bcher-kva.example/x", "/x"),
        ("https://example.org/a\x01b", "/a%01b"),
        ("https://example.org/" + "x" * 65_536, "/" + "x" * 65_536),
    ],
)
def test_a_path_is_the_same_however_it_is_written(text: str, path: str) -> None:
    assert read(text).path == path


def query(text: str) -> Address:
    return read(f"https://example.org/{text}")


def test_campaigns_are_read_whatever_the_case_of_their_names_and_values() -> None:
    found = query("?utm_source=Google&UTM_MEDIUM=CPC&Utm_Campaign=Spring+Sale%21&x=1")
    assert found == Address("/", "google", "cpc", "spring sale!")


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("?utm_source=", None),
        ("?utm_source", None),
        ("?utm_source=%20+", None),
        ("?utm_source=&utm_source=b&utm_source=c", "b"),
        ("?utm_source=%2541", "%41"),
        ("?utm_source=a%2Bb", "a+b"),
        ("?utm_source=%FFa%zz%", "%ffa%zz%"),
        ("?utm_source=%C3%84", "ä"),
        ("?utm_source=Ä", "ä"),
        ("?utm_source=a%00b", "a\x00b"),
        ("?utm%5Fsource=x", "x"),
        ("?utm_source=a=b", "a=b"),
        ("#utm_source=x", None),
        ("?a=1#?utm_source=x", None),
    ],
)
def test_a_value_is_decoded_once_trimmed_and_in_lower_case_and_empty_ones_do_not_count(
    text: str, source: str | None
) -> None:
    assert query(text).utm_source == source


def test_the_host_of_a_referrer_is_known_where_the_address_tells_it() -> None:
    assert query("?ref=https%3A%2F%2FNews.Example%2Fx").referrer_host == "news.example"
    assert query("?Referrer=http://b.org/&ref=https://c.org").referrer_host == "b.org"
    assert query("?ref=newsletter").referrer_host is None
