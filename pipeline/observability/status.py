"""What every service says of itself at a glance, to probes, scripts and people."""

from __future__ import annotations

import msgspec


class Probe(msgspec.Struct, frozen=True):
    """An answer to a probe, with the reason for it in one line."""

    ok: bool
    why: str


class Waiting(msgspec.Struct, frozen=True):
    """What the driver waits for. `since`: ISO 8601, UTC. `reason`: what it said last."""

    what: str = msgspec.field(name="for")
    since: str = ""
    reason: str = ""


class ServiceStatus(msgspec.Struct, frozen=True):
    """What any service tells: a service's own status inherits it, and adds to it. `since`: ISO 8601, UTC."""

    state: str
    since: str
    healthy: Probe
    ready: Probe
    waiting: list[Waiting]
