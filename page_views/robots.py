"""Known robots: what two lists of user agents know, each of which has some that the other lacks."""

from __future__ import annotations

from functools import lru_cache

from crawlerdetect import CrawlerDetect  # type: ignore[import-untyped]
from crawleruseragents import is_crawler  # type: ignore[import-untyped]

REMEMBERED = 4096
"""Browsers whose answer is kept: there are few, and asking takes a thousand patterns."""
LONGEST = 1024
"""Characters of a user agent that are looked at."""
BROWSERS = frozenset({"yandex", "yandex browser"})
"""Names of browsers, in lower case, that the lists take for a robot's: user agents they have in mind, not names."""


def is_robot(browser: str) -> bool:
    """Whether a browser's name, or its user agent, is that of a known robot."""
    return _known(browser[:LONGEST])


@lru_cache(REMEMBERED)
def _known(browser: str) -> bool:
    if not browser or browser.lower() in BROWSERS:
        return False
    return is_crawler(browser) or bool(_detector().is_crawler(browser))


@lru_cache(1)
def _detector() -> CrawlerDetect:
    return CrawlerDetect()
