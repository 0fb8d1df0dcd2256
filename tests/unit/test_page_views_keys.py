"""What tables know people and things by."""

from __future__ import annotations

import time
import tracemalloc

import pytest

from page_views import keys, names, star
from page_views.keys import SOMEBODY, Secretive


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/users/ann.lee+x@mail.example.org/edit", f"/users/{SOMEBODY}/edit"),
        ("/users/ann%40example.org", f"/users/{SOMEBODY}"),
        ("/from/192.168.1.17", f"/from/{SOMEBODY}"),
        ("/from/[2001:db8::1]/x", f"/from/{SOMEBODY}/x"),
        ("/@handle", "/@handle"),
        ("/v1.2.3/notes", "/v1.2.3/notes"),
    ],
)
def test_no_address_of_a_person_is_told_of_a_page(path: str, told: str) -> None:
    key, page = keys.page(path)
    assert page.path == told
    assert key == keys.page(told)[0]


def test_no_address_of_a_person_is_told_of_a_source_and_versions_of_browsers_stay() -> None:
    _, source = keys.source("bob@example.org", "mail", None, "203.0.113.9")
    assert source == (SOMEBODY, "mail", "", SOMEBODY)
    _, browser = keys.browser("Chrome/117.0.0.0 (me@example.org)", "Linux", "1x1")
    assert browser == (f"Chrome/117.0.0.0 ({SOMEBODY})", "Linux", "1x1")


def test_a_key_is_of_what_it_stands_for_and_of_nothing_else() -> None:
    assert keys.page("/a")[0] == keys.page("/a")[0] != keys.page("/b")[0]
    assert keys.source("a", "b", None, None)[0] != keys.source("ab", None, None, None)[0]
    assert keys.source("a", "b", "c", None)[0] != keys.browser("a", "b", "c")[0]
    assert len({keys.page(f"/{number}")[0] for number in range(100_000)}) == 100_000
    assert keys.page("/a/b")[1].section == "/a"


def test_a_user_s_key_takes_the_secret() -> None:
    one, other = Secretive("a secret of ours"), Secretive("another secret of ours")
    assert one.key("ann") == Secretive("a secret of ours").key("ann") != one.key("bob")
    assert one.key("ann") != other.key("ann")
    assert len(one.key("ann")) == 32
    assert "ann" not in one.key("ann")


def test_a_long_path_takes_no_longer_than_its_length() -> None:
    began = time.perf_counter()
    for text in ("a" * 65_000 + "@", "/" + "a@" * 32_000, "1." * 32_000, "[" * 65_000 + ":"):
        keys.page(text)
    assert time.perf_counter() - began < 2.0


def test_what_is_kept_at_hand_is_small_whatever_comes() -> None:
    secretive = Secretive("a secret of ours")
    tracemalloc.start()
    try:
        for number in range(200):
            long = f"{number}".ljust(64 << 10, "x")
            keys.page(long), keys.source(None, None, long, None), keys.browser(long, "", ""), secretive.key(long)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 4 << 20
    assert keys.page("/short") is keys.page("/short")


def test_the_tables_have_the_names_that_commands_ask_for() -> None:
    assert {table.name for table in star.TABLES} == set(names.TABLES)
