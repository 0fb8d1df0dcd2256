"""What is looked up in the background, and known only by the driver that leads."""

from __future__ import annotations

from typing import NamedTuple

from pipeline.observability.instruments import Instruments


class Audited(NamedTuple):
    """The last audit: what did not hold, and when it ended, in seconds since the epoch."""

    findings: int
    ended: float


class PolledMetrics:
    """Absent on a standby, and where it could not be looked up: an alarm on such a gauge asks for its absence too."""

    def __init__(self, make: Instruments) -> None:
        self.letters = make.gauge(
            "letters",
            "Dead letters in the failover table, looked up once a minute or more rarely. One whose message became a "
            "row later is counted until an operator settles it: looking each up would be too dear",
            "reason",
        )
        self.mails = make.gauge("mails", "Fraud mails not sent: waiting, or parked since they cannot be sent", "state")
        self.ids_left = make.gauge(
            "ids_left_ratio",
            "Share of a written table's AUTO_INCREMENT ids that is left: 1 none used, 0 exhausted",
            "table",
        )
        self.oldest_letter: float | None = None
        """When the oldest dead letter's record arrived, in seconds since the epoch."""
        self.audit: Audited | None = None

    def forget(self) -> None:
        """Make all of it absent."""
        for gauge in (self.letters, self.mails, self.ids_left):
            gauge.clear()
        self.oldest_letter = self.audit = None
