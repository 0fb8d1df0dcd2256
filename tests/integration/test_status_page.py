"""The page on the driver's port, as a real browser shows it."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from pipeline.dstream.monitoring.health import Health
from pipeline.dstream.monitoring.page import MOST_SHARDS
from pipeline.dstream.monitoring.status import Status
from pipeline.messages.records import ShardTimes
from pipeline.observability.history import MINUTES, History
from pipeline.runtime.errors import Halted
from tests.browser import Browser, chromium
from tests.sample_page import SIZE, Clock, busy, shown

PHONE, DESK = (360, 640), (1280, 800)
HOSTILE = """<script>document.title = "taken"</script><img src=x onerror="document.title='taken'">"></title>'&amp;"""
PICTURE = Path(__file__).resolve().parents[2] / "docs" / "status.png"

# The contrast of every text with what is behind it, by the definition of WCAG 2; the smallest of the page.
LEAST_CONTRAST = """(() => {
  const light = c => c.map(v => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const rgb = text => text.match(/[\\d.]+/g).map(Number);
  const behind = e => { for (; e; e = e.parentElement) {
    const c = rgb(getComputedStyle(e).backgroundColor); if (c.length < 4 || c[3] > 0) return c.slice(0, 3); } };
  const texts = [...document.body.querySelectorAll("*")].filter(e => [...e.childNodes].some(n => n.nodeType == 3));
  return Math.min(...texts.filter(e => !e.closest("svg")).map(e => {
    const [a, b] = [light(rgb(getComputedStyle(e).color).slice(0, 3)), light(behind(e))];
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05); }));
})()"""
# A long table may scroll within itself; the page may not.
WIDER_THAN_THE_WINDOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
TEXT = "document.body.innerText"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


def troubled() -> Health:
    """Waits, has a stopped shard, and every name in it is hostile."""
    health = Health("bank-stream", 5.0, clock=Clock())
    health.leads()
    health.waits.say(HOSTILE, HOSTILE)
    health.metrics.batch.failed(Halted(HOSTILE))
    health.metrics.stopped = lambda: {HOSTILE: HOSTILE}
    health.metrics.shards = lambda: {HOSTILE: ShardTimes(0, 0)}
    health.metrics.polled.letters.labels(HOSTILE).set(3)
    return health


def test_a_busy_driver_shows_its_state_lag_throughput_outcomes_letters_and_batches(browser: Browser) -> None:
    health = busy()
    with shown(health) as url:
        browser.open(url, *DESK)
        text, title, names = browser.ask(TEXT), browser.ask("document.title"), browser.accessible()
        bars = browser.ask("[...document.querySelectorAll('rect')].map(r => r.getBoundingClientRect().height)")
        with urllib.request.urlopen(f"{url}status") as answer:
            glance = msgspec.json.decode(answer.read(), type=Status)
    assert title == "leading: bank-stream"
    assert "leading" in text and "since 2026-05-06 11:00:00 UTC" in text
    for said in ("shardId-000000000002\t5 s", "no_account\t41", "card_transaction\t-8\t", "the stream keeps 3 d"):
        assert said in text
    assert f"{sum(glance.per_minute):,}\nmessages, last hour" in text
    assert text.count("2026-05-06 11:5") + text.count("2026-05-06 12:00") >= 10, "the last batches"
    tallest = max(bars)
    assert len(bars) == MINUTES == len(glance.per_minute)
    for bar, number in zip(bars, glance.per_minute, strict=True):
        assert bar / tallest == pytest.approx(number / max(glance.per_minute), abs=0.02)
    assert any(role == "image" and name.startswith("Messages a minute over the last 60") for role, name in names)
    assert [name for role, name in names if role == "region"] == [
        *("Shards", "Outcomes, last hour", "Open letters", "Last batches")
    ]
    assert "alert" not in dict(names)


def test_a_wait_a_stopped_shard_and_what_to_do_are_at_the_top(browser: Browser) -> None:
    with shown(troubled()) as url:
        browser.open(url, *DESK)
        text: str = browser.ask(TEXT)
    top = text[: text.index("messages, last hour")]
    assert f"waiting for {HOSTILE} since 2026-05-06 11:00:00 UTC: {HOSTILE}" in top
    assert f"python -m pipeline accept-loss {HOSTILE}" in top


def test_nothing_that_is_shown_becomes_markup(browser: Browser) -> None:
    with shown(troubled()) as url:
        browser.open(url, *DESK)
        assert browser.ask("document.title") == "leading: bank-stream"
        assert browser.ask("document.querySelectorAll('script, img, [onerror]').length") == 0
        with urllib.request.urlopen(url) as answer:
            assert answer.headers["Content-Security-Policy"].startswith("default-src 'none';")


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("make", [busy, troubled])
def test_a_phone_shows_it_without_scrolling_sideways_and_in_readable_colours(
    browser: Browser, make: Callable[[], Health], dark: bool
) -> None:
    with shown(make()) as url:
        browser.open(url, *PHONE, dark=dark)
        assert browser.ask("innerWidth") == PHONE[0]
        assert browser.ask(WIDER_THAN_THE_WINDOW) == 0
        assert browser.ask(LEAST_CONTRAST) >= 4.5
        back = browser.ask("getComputedStyle(document.body).backgroundColor")
    assert back == ("rgb(13, 17, 23)" if dark else "rgb(255, 255, 255)")


def test_a_standby_and_a_start_say_so_and_nothing_else(browser: Browser) -> None:
    health = Health("bank-stream", 5.0, clock=Clock())
    with shown(health) as url:
        for state in ("starting", "standing by"):
            if state == "standing by":
                health.stands_by()
            browser.open(url, *PHONE)
            assert browser.ask("document.querySelector('.state').innerText") == state
            assert browser.ask("[...document.querySelectorAll('section')].map(s => s.innerText)") == [
                f"{title}\n\nnone" for title in ("Shards", "Outcomes, last hour", "Open letters", "Last batches")
            ]


def test_a_thousand_shards_are_shown_by_their_worst(browser: Browser) -> None:
    clock = Clock()
    health, at = Health("bank-stream", 5.0, clock=clock), int(clock.now * 1000)
    health.metrics.shards = lambda: {f"shardId-{n:012d}": ShardTimes(at - n * 1000, None) for n in range(1000)}
    with shown(health) as url:
        browser.open(url, *DESK)
        rows = browser.ask("[...document.querySelectorAll('tbody')[0].rows].map(r => r.cells[0].innerText)")
    assert (rows[0], len(rows), rows[-1]) == ("shardId-000000000999", MOST_SHARDS + 1, "and 950 that are less behind")


def test_the_last_hour_ends_a_minute_at_a_time() -> None:
    clock = Clock()
    history = History(clock)
    for _ in range(2 * MINUTES):
        history.add({"stock": {"1": 2}, "": {"letter:empty": 1}})
        clock.now += 60
    assert history.per_minute() == [3] * (MINUTES - 1) + [0]
    assert history.outcomes() == {"stock": {"1": 2 * (MINUTES - 1)}, "": {"letter:empty": MINUTES - 1}}
    clock.now += 3600
    assert (sum(history.per_minute()), history.outcomes()) == (0, {})


def test_the_picture_in_the_readme_is_small_and_of_this_page(browser: Browser) -> None:
    """`python -m tests.sample_page docs/status.png` makes it anew."""
    kept = PICTURE.read_bytes()
    width, height = (int.from_bytes(kept[at : at + 4], "big") for at in (16, 20))
    assert kept.startswith(b"\x89PNG") and (width, height) == SIZE and len(kept) < 100_000
    with shown(busy()) as url:
        browser.open(url, *SIZE)
        assert browser.ask("document.querySelector('header').innerText").count("2026-05-06 12:00:00 UTC") == 1
        assert len(browser.picture()) == pytest.approx(len(kept), rel=0.25), "the page has changed: make it anew"
