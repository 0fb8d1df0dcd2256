"""What the server on the driver's port asks of a service."""

from __future__ import annotations

from typing import Protocol

from prometheus_client import CollectorRegistry

from pipeline.observability.status import Probe, ServiceStatus


class Observed(Protocol):
    """A service as it is looked at. Every method may be called by any thread, and must not wait."""

    @property
    def registry(self) -> CollectorRegistry:
        """Its metrics."""

    def alive(self) -> Probe:
        """Whether the process is to be left alone (`/healthz`)."""

    def ready(self) -> Probe:
        """Whether it does what it is there for (`/readyz`)."""

    def status(self) -> ServiceStatus:
        """Everything at a glance, for scripts (`/status`)."""

    def page(self) -> bytes:
        """The same for people (`/`): HTML, in UTF-8."""
