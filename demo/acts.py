"""A service of the analytics as a process that is killed, started and stopped while records are sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from demo.job import Job, Line, job
from demo.pictures import Pictures
from demo.sending import Sending
from demo.telling import Say


@dataclass
class Heard:
    """What a service has told: what became of records, and letters by reason."""

    counts: Counter[str] = field(default_factory=Counter)
    letters: Counter[str] = field(default_factory=Counter)
    batches: int = 0
    """Since it was started last, once it runs."""
    begun: Counter[str] = field(default_factory=Counter)
    """How often each of its flows has begun."""

    def hear(self, line: Line) -> None:
        """Take a line of the log into account."""
        if line["event"] == "running":
            self.begun[line["flow"]] += 1
            self.batches = 0
        if line["event"] == "batch":
            self.batches += 1
            self.counts.update(line["counts"])
            self.letters.update(line["letters"])

    @property
    def runs(self) -> int:
        """How often all that it has begun."""
        return max(self.begun.values(), default=0)

    def __str__(self) -> str:
        kinds = {**self.counts, "letters": self.letters.total()}
        nothing = "its first batch is under way" if self.runs else "Spark is starting"
        return ", ".join(f"{count:,} {kind}" for kind, count in kinds.items() if count) or nothing


class Here(Protocol):
    """Where a service runs: the settings that lead it to its servers, and a folder for what it leaves behind."""

    @property
    def environment(self) -> Mapping[str, str]: ...

    @property
    def folder(self) -> Path: ...


class Service:
    """`python stream_analytics.py NAME`, run again and again, and what it tells."""

    def __init__(self, name: str, here: Here, settings: Mapping[str, str], hear: Callable[[Line], None]) -> None:
        self.name = name
        self._here = here
        self._environment = {**here.environment, **settings}
        self._hear = hear
        self._runs = 0

    def until_killed(self, due: Callable[[], bool]) -> None:
        """Run until it is due, then kill -9 in the middle of whatever it does."""
        with self._run() as running:
            for _ in self._heard(running):
                if due():
                    running.kill9()
                    return

    def until_stopped(self, due: Callable[[], bool]) -> None:
        """Run until it is due, then let it finish its batch and end, which it must with 0."""
        with self._run() as running:
            asked = False
            for _ in self._heard(running):
                if not asked and due():
                    running.terminate()
                    asked = True

    def until_caught_up(self) -> None:
        """Run until it has caught up and ends, which it must with 0."""
        with self._run("--until-caught-up") as running:
            for _ in self._heard(running):
                pass

    def _heard(self, running: Job) -> Iterator[None]:
        """Raises `JobFailed`."""
        for lines in running.follow():
            for line in lines:
                self._hear(line)
            yield

    @contextmanager
    def _run(self, *arguments: str) -> Iterator[Job]:
        self._runs += 1
        command = ("stream_analytics.py", self.name, *arguments)
        with job(self._environment, self._here.folder, command, f"service{self._runs}") as running:
            yield running


def three_acts(
    service: Service,
    heard: Heard,
    under_way: Sending,
    all_is_sent: Callable[[], bool],
    show: Pictures,
    say: Say,
) -> None:
    """Run the service while records are sent: kill -9 when half of them are, a stop once all are, and the rest."""

    def half_way() -> bool:
        if heard.runs:
            under_way.begin()
        return under_way.at(0.5) and heard.batches > 0

    def stop() -> bool:
        return heard.runs > 1 and all_is_sent()

    say(f"python stream_analytics.py {service.name}")
    service.until_killed(show.until(half_way))
    say("kill -9 in the middle of it, and started again")
    service.until_stopped(show.until(stop))
    say("everything is sent; SIGTERM has ended it after its batch, and --until-caught-up does what is left")
    service.until_caught_up()
