"""What people see while something goes on: a picture on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, Self

from rich.console import Console, RenderableType
from rich.live import Live

from demo.view import PLAIN_EVERY

REFRESH: Final = 0.5
"""Seconds between two pictures."""


class Pictures:
    """A context within which `picture` or `line` is shown, whenever something asks a question of `until`."""

    def __init__(self, console: Console, picture: Callable[[], RenderableType], line: Callable[[], str]) -> None:
        self._console, self._picture, self._line = console, picture, line
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None
        self._due = time.monotonic()

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def until(self, done: Callable[[], bool]) -> Callable[[], bool]:
        """`done`, which shows how things stand now and then when it is asked, and in the end."""

        def asked() -> bool:
            finished = done()
            if finished or time.monotonic() >= self._due:
                self._show()
            return finished

        return asked

    def _show(self) -> None:
        if self._live:
            self._live.update(self._picture(), refresh=True)
        else:
            self._console.print(f"         {self._line()}", markup=False, soft_wrap=True)
        self._due = time.monotonic() + (REFRESH if self._live else PLAIN_EVERY)
