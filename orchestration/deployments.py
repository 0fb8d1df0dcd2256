"""The Deployments of a trading day: scaled by server-side apply, waited for until they are ready.

Only their number of replicas is ours, so that is all that we say, and all that we need a right to. We own it: whoever
else applies another number is told of a conflict.

| the cluster's answer                       | fate        |
|--------------------------------------------|-------------|
| none, 409, 429, 5xx                        | `Transient` |
| 401, 403, 404, any other that says no      | `Halted`    |
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

import structlog

from pipeline.runtime.errors import Halted, PipelineError, Transient
from pipeline.runtime.retries import retried

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

T = TypeVar("T")

OWNER: Final = "market-day"
"""Who we are among those that apply something."""
APPLY: Final = "application/apply-patch+yaml"
ANSWER: Final = 10.0
"""Seconds for one answer of the cluster."""
PATIENCE: Final = 60.0
"""Seconds for which a call is tried again where what is wrong passes."""
LOOK: Final = 2.0
"""Seconds between two looks at a Deployment that is waited for."""
PASSING: Final = frozenset({409, 429})

log = structlog.get_logger()


class Found(NamedTuple):
    """A Deployment as its controller has it. `gone`: no pod is wanted or there, those aside that still drain.

    `why`: what the cluster says of one that is not up.
    """

    ready: bool
    gone: bool
    why: str


class Deployments:
    """Those of one namespace. The cluster is the one of KUBECONFIG, or the one that this runs in."""

    def __init__(self, namespace: str) -> None:
        from kubernetes import client  # takes a second, and only steps need it

        self._namespace = namespace
        with _by_fate("find the cluster"):
            cluster = _cluster()
        self._apps, self._core = client.AppsV1Api(cluster), client.CoreV1Api(cluster)

    def settings(self, name: str = "settings") -> Mapping[str, str]:
        """What a ConfigMap of the namespace holds. Raises `Transient`, `Halted`."""
        found = self._call(
            f"read the settings in {self._namespace}",
            lambda: self._core.read_namespaced_config_map(name, self._namespace, _request_timeout=ANSWER),
        )
        return dict(found.data or {})

    def scale(self, name: str, replicas: int) -> None:
        """Let a Deployment have so many pods from now on. Raises `Transient`, `Halted`."""
        scale = {
            "apiVersion": "autoscaling/v1",
            "kind": "Scale",
            "metadata": {"name": name, "namespace": self._namespace},
            "spec": {"replicas": replicas},
        }
        options: dict[str, Any] = {"field_manager": OWNER, "force": True, "_content_type": APPLY}
        self._call(
            f"scale {name} to {replicas}",
            lambda: self._apps.patch_namespaced_deployment_scale(
                name, self._namespace, scale, **options, _request_timeout=ANSWER
            ),
        )
        log.info("scaled", deployment=name, replicas=replicas)

    def look(self, name: str) -> Found:
        """How a Deployment is. Raises `Transient`, `Halted`."""
        found = self._call(
            f"look at {name}",
            lambda: self._apps.read_namespaced_deployment(name, self._namespace, _request_timeout=ANSWER),
        )
        status, wanted = found.status, found.spec.replicas
        seen = (status.observed_generation or 0) >= found.metadata.generation
        ready = seen and (status.updated_replicas or 0) == (status.ready_replicas or 0) == wanted
        troubles = [one.message for one in status.conditions or () if _trouble(one.type, one.status) and one.message]
        return Found(ready and wanted > 0, seen and not wanted and not status.replicas, "; ".join(troubles))

    def wait_until_ready(self, names: Collection[str], seconds: float) -> None:
        """Raises `Transient` for the first that is not ready after `seconds`, `Halted`."""
        self._wait(names, seconds, lambda found: found.ready, "ready")

    def stop(self, names: Collection[str], seconds: float) -> None:
        """No pod for any, in this order; all are tried before what went wrong with some is raised."""
        wrong = _each(names, lambda name: self.scale(name, 0))
        scaled = [name for name in names if name not in wrong]
        wrong |= _each(scaled, lambda name: self._wait([name], seconds, lambda found: found.gone, "stopped"))
        if wrong:
            kind = Halted if all(isinstance(error, Halted) for error in wrong.values()) else Transient
            raise kind("; ".join(map(str, wrong.values())))

    def _wait(self, names: Collection[str], seconds: float, done: Callable[[Found], bool], what: str) -> None:
        deadline = time.monotonic() + seconds
        for name in names:
            while not done(found := self.look(name)):
                if time.monotonic() > deadline:
                    why = f": {found.why}" if found.why else ""
                    raise Transient(f"{name} is not {what} after {seconds:g} s{why}")
                time.sleep(LOOK)
            log.info(what, deployment=name)

    def _call(self, what: str, action: Callable[[], T]) -> T:
        def once() -> T:
            with _by_fate(what):
                return action()

        try:
            return retried(once, lambda error: isinstance(error, Transient), PATIENCE, what=what)
        except Transient as error:
            raise Transient(f"{error.__cause__ or error}, tried for {PATIENCE:g} s") from None


def _each(names: Collection[str], act: Callable[[str], None]) -> dict[str, PipelineError]:
    """What went wrong with which."""
    wrong: dict[str, PipelineError] = {}
    for name in names:
        try:
            act(name)
        except PipelineError as error:
            log.error("not stopped", deployment=name, reason=str(error))
            wrong[name] = error
    return wrong


def _cluster() -> ApiClient:
    from kubernetes import client, config

    told = client.Configuration()
    told.retries = False
    if given := os.environ.get("KUBECONFIG"):
        config.load_kube_config(given, client_configuration=told)
    else:
        config.load_incluster_config(told)
    return client.ApiClient(told)


def _trouble(kind: str, status: str) -> bool:
    return status != ("False" if kind == "ReplicaFailure" else "True")


@contextmanager
def _by_fate(what: str) -> Iterator[None]:
    from kubernetes.client.exceptions import ApiException
    from kubernetes.config import ConfigException
    from urllib3.exceptions import HTTPError

    try:
        yield
    except ApiException as error:
        passes = error.status in PASSING or error.status >= 500
        kind = Transient if passes else Halted
        raise kind(f"could not {what}: the cluster says {error.status} ({_said(error.body) or error.reason})") from None
    except HTTPError as error:
        raise Transient(f"could not {what}: the cluster does not answer ({type(error).__name__})") from None
    except ConfigException as error:
        raise Halted(f"could not {what}: {error}") from None


def _said(body: object) -> str:
    """The message of an answer that is a Status, as those of the cluster itself are."""
    try:
        return str(json.loads(str(body))["message"])
    except (ValueError, KeyError, TypeError):
        return ""
