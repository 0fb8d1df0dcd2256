"""Filling topics: what is missing since the newest candle in each is fetched, and sent oldest first.

Where a topic ends is all that is remembered, and the topic remembers it. So it makes no difference whether something is
missing because a symbol is new, a process was killed, the provider was away, or a minute has passed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from market.feed.feed import Feed, Page
from market.feed.told import Told
from market.feed.waiting import Pauses
from market.feed.wants import Want
from market.symbols import topic_of
from pipeline.kafka.errors import BROKERS
from pipeline.kafka.sending import Sender
from pipeline.runtime.errors import PipelineError, Transient

STRIKES: Final = 3
"""Answers that may leave a symbol out before it is left for later."""

Newest = dict[str, int]


class Filled(NamedTuple):
    """`candles`: how many were sent. `unknown`: symbols that the provider does not know, and what it says."""

    candles: int
    unknown: Mapping[str, str]


class Filling:
    """Topics that are being filled. `newest`: asks the topics of these symbols for their newest candles."""

    def __init__(
        self,
        feed: Feed,
        sender: Callable[[], Sender],
        newest: Callable[[Iterable[str]], Mapping[str, int]],
        warm: int,
        pauses: Pauses,
        told: Told,
    ) -> None:
        self._feed, self._make_sender, self._ask_newest = feed, sender, newest
        self._warm, self._pauses, self._told = warm, pauses, told
        self._sender: Sender | None = None
        self.newest: Newest = {}
        """Symbol → the newest candle in its topic."""
        self._known: set[str] = set()

    def fill(self, symbols: Sequence[str], progress: Callable[[int, int], object] = lambda done, sent: None) -> Filled:
        """Up to now. `progress` hears how many symbols are done, and how many candles were sent.

        Raises `PipelineError`; `Transient` also where some symbols were not answered for, after the others are done.
        """
        self._look(symbols)
        wants = [Want(symbol, self.newest.get(symbol), self._warm) for symbol in symbols]
        unknown: dict[str, str] = {}
        strikes: Counter[str] = Counter()
        sent = 0
        while open_wants := [want for want in wants if not want.done and strikes[want.symbol] < STRIKES]:
            page, asked = self._next(open_wants)
            for want in asked:
                if want.symbol in page.unknown:
                    unknown[want.symbol], want.done = page.unknown[want.symbol], True
                elif want.symbol not in page.bars:
                    strikes[want.symbol] += 1
            sent += self._send([want for want in asked if want.done])
            progress(sum(want.done for want in wants), sent)
        if left := [want.symbol for want in wants if not want.done]:
            raise Transient(f"the provider does not answer for {', '.join(left)}")
        return Filled(sent, unknown)

    def _next(self, wants: Sequence[Want]) -> tuple[Page, Sequence[Want]]:
        """Ask for the next page of as many symbols as one call may; the largest pages first."""
        self._pauses.check()
        now = self._pauses.clock.now()
        sizes = {want.symbol: want.size(now, self._feed.largest) for want in wants}
        wants = sorted(wants, key=lambda want: -sizes[want.symbol])
        end, count = wants[0].end, sizes[wants[0].symbol]
        many = self._feed.at_once(count)
        alike = [want for want in wants if want.end == end and self._feed.at_once(sizes[want.symbol]) == many][:many]
        symbols = [want.symbol for want in alike]
        page = self._feed.latest(symbols, count) if end is None else self._feed.history(symbols, count, end)
        now = self._pauses.clock.now()  # it may have taken minutes, which are missing as well by now
        for want in alike:
            if want.symbol in page.bars:
                want.take(page.bars[want.symbol], count, now)
        return page, alike

    def _look(self, symbols: Sequence[str]) -> None:
        """Ask the topics that were not asked yet."""
        if new := [symbol for symbol in symbols if symbol not in self._known]:
            found = self._ask_newest(new)
            self.newest = {symbol: at for symbol, at in self.newest.items() if symbol not in new} | dict(found)
            self._known |= set(new)

    def _send(self, wants: Sequence[Want]) -> int:
        sent = {want.symbol: want.bars for want in wants if want.bars}
        if not sent:
            return 0
        if self._sender is None:
            self._sender = self._make_sender()
        try:
            for symbol, bars in sent.items():
                topic = topic_of(symbol)
                for bar in bars:
                    self._sender.send(topic, topic.encode(), bar.value())
            self._sender.settle(self._waiting)
        except PipelineError:
            self._sender = None
            self._known.clear()  # the topics know how far it came
            raise
        newest = {symbol: bars[-1].at for symbol, bars in sent.items()}
        self.newest |= newest
        count = sum(len(bars) for bars in sent.values())
        self._told.took(count, newest)
        return count

    def _waiting(self, left: int) -> None:
        self._told.waits.say(f"{left:,} candles are not taken yet", BROKERS)
        self._told.turned()
        self._pauses.check()
