"""What the producer of page views sends is what it says that it is."""

from __future__ import annotations

from collections import Counter

import pytest

from page_views.view import View, read
from pipeline.runtime.errors import Rejected
from producers.made import Made
from producers.page_views import BROKEN, DEVICES, TOPIC, UNUSUAL, Mishaps, page_views, single
from producers.page_views import View as Written
from tests.page_views import told_again

BEGIN = 1_692_921_600
NOW = 1_790_000_000_000
ALL_WRONG = Mishaps(unusual=0.3, broken=0.1, robots=0.1)
ONE = Written("u", "https://shop.example.org/sale?utm_source=google&utm_medium=cpc", "1692921600", *DEVICES[0])


def understood(made: Made) -> View:
    return read(made.value, NOW)


def test_the_same_seed_gives_the_same_bytes_and_a_visitor_s_do_not_depend_on_others() -> None:
    first, again = (list(page_views(1, 20, BEGIN, 7200, ALL_WRONG)) for _ in range(2))
    assert first == again != list(page_views(2, 20, BEGIN, 7200, ALL_WRONG))
    alone = list(page_views(1, 1, BEGIN, 7200, ALL_WRONG))
    assert [made for made in first if made.key == b"visitor-0"] == alone


def test_good_views_are_read_as_a_second_reading_has_them_and_broken_ones_are_not() -> None:
    kinds = Counter[str]()
    for made in page_views(3, 300, BEGIN, 7200, ALL_WRONG):
        kinds[made.kind] += 1
        assert made.topic == TOPIC
        if made.kind == "broken":
            with pytest.raises(Rejected):
                understood(made)
            continue
        view = understood(made)
        found = view.address
        same = told_again.View(view.user, view.time, found.path, found.utm_source, found.utm_medium)
        assert same == told_again.view(made.value or b"")
        assert BEGIN <= view.time < BEGIN + 7200
    assert min(kinds["view"], kinds["unusual"], kinds["broken"]) > 100


@pytest.mark.parametrize(("name", "change"), UNUSUAL)
def test_what_is_unusual_is_right(name: str, change: object) -> None:
    value = change(ONE)  # type: ignore[operator]
    assert read(value, NOW).address[:3] == ("/sale", "google", "cpc"), name


@pytest.mark.parametrize(("name", "change"), BROKEN)
def test_what_is_broken_is_refused(name: str, change: object) -> None:
    with pytest.raises(Rejected):
        read(change(ONE), NOW)  # type: ignore[operator]


def test_views_are_overtaken_by_no_more_than_is_allowed() -> None:
    newest = 0
    late = 0
    for made in page_views(4, 100, BEGIN, 7200, Mishaps(shuffled=60, unusual=0, broken=0, robots=0)):
        at = understood(made).time
        late = max(late, newest - at)
        newest = max(newest, at)
    assert 30 < late <= 60


def test_a_single_view_is_of_its_moment() -> None:
    assert understood(single("closing", BEGIN)).time == BEGIN
