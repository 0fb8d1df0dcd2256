"""The way to a registry of schemas, which can be cut and mended: what the registry knows stays."""

from __future__ import annotations

from contextlib import ExitStack

from tests.faults.proxy import Cut, cutting
from tests.processes import free_port
from tests.registry import API
from tests.servers import HERE


class Link:
    """Leads to the port `target` once it is mended: at first nobody answers at `url`."""

    def __init__(self, target: int) -> None:
        self.port = free_port()
        self.url = f"http://{HERE}:{self.port}{API}"
        self._target = target
        self._way = ExitStack()

    def mend(self) -> None:
        """From now on it leads there."""
        self._way.enter_context(cutting(self._target, lambda _: Cut.NONE, self.port))

    def cut(self) -> None:
        """From now on connections are refused, and those that were open are at an end."""
        self._way.close()
