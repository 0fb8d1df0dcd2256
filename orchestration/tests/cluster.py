"""A cluster without a cluster: the part of Kubernetes' API that a trading day uses, as it behaves.

Deployments are scaled by server-side apply, with owners and conflicts, and become ready after a while; whoever asks may
do what the Role of the manifests says, and nothing else. It can be told to refuse.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

RIGHTS = Path(__file__).parents[2] / "k8s" / "market" / "base" / "rights.yaml"
TOKEN = "of-market-day"
NAMESPACE = "market"
SEEN_AFTER = 0.05
"""Seconds until the controller has seen a change; pods come and go then."""
NEVER = 1e9
READY_AFTER = 0.3
CLOSE = 0
"""In the place of a status: the connection is closed without an answer."""


@dataclass
class Deployment:
    """`owners`: who applied which number of replicas. `stuck`: its pods never go. `trouble`: why none is ready."""

    replicas: int = 0
    before: int = 0
    changed: float = 0.0
    generation: int = 1
    version: int = 1
    owners: dict[str, int] = field(default_factory=lambda: {"kubectl": 0})
    seen_after: float = SEEN_AFTER
    ready_after: float = READY_AFTER
    stuck: bool = False
    trouble: str = ""


class Cluster:
    """`scaled`: what was scaled, to what, and when. `asked`: verbs and names. `rules`: of the Role."""

    def __init__(self) -> None:
        self.deployments = {name: Deployment() for name in ("candles", "dashboard", "feed")}
        self.settings = {"SYMBOLS": "AAPL,MSFT,BTC/USD", "KAFKA_BROKERS": "kafka:9092", "N_SAMPLES": ""}
        self.scaled: list[tuple[str, int, float]] = []
        self.asked: list[tuple[str, str]] = []
        self.refused: defaultdict[tuple[str, str], deque[int]] = defaultdict(deque)
        roles = [one for one in yaml.safe_load_all(RIGHTS.read_text()) if one["kind"] == "Role"]
        self.rules: list[dict[str, list[str]]] = roles[0]["rules"]
        self.lock = Lock()

    def replicas(self) -> dict[str, int]:
        """What each Deployment is to have."""
        return {name: one.replicas for name, one in self.deployments.items()}

    def refuses(self, verb: str, name: str, *statuses: int) -> None:
        """Answer the next such questions with these; 200 means as ever."""
        self.refused[verb, name].extend(statuses)

    def may(self, verb: str, group: str, resource: str, name: str) -> bool:
        """Whether the Role allows it."""
        return any(
            group in rule["apiGroups"]
            and resource in rule["resources"]
            and name in rule.get("resourceNames", [name])
            and verb in rule["verbs"]
            for rule in self.rules
        )


class Refusal(Exception):
    """An answer that says no."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Handler(BaseHTTPRequestHandler):
    """`cluster` is set by `running`."""

    cluster: Cluster
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer("get")

    def do_PATCH(self) -> None:
        self._answer("patch")

    def _answer(self, verb: str) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        asked = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(asked.query).items()}
        try:
            with self.cluster.lock:
                found = self._found(verb, asked.path.strip("/").split("/"), query, body)
            self._send(200, found)
        except Refusal as refusal:
            if refusal.status == CLOSE:
                self.close_connection = True
                return
            said = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": str(refusal)}
            self._send(refusal.status, {**said, "code": refusal.status})

    def _found(self, verb: str, parts: list[str], query: dict[str, str], body: bytes) -> dict[str, Any]:
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            raise Refusal(401, "Unauthorized")
        match parts:
            case ["api", "v1", "namespaces", namespace, "configmaps", name]:
                self._allow(verb, "", "configmaps", namespace, name)
                meta = {"name": name, "namespace": namespace}
                return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": self.cluster.settings}
            case ["apis", "apps", "v1", "namespaces", namespace, "deployments", name]:
                self._allow(verb, "apps", "deployments", namespace, name)
                return told(name, self._deployment(name))
            case ["apis", "apps", "v1", "namespaces", namespace, "deployments", name, "scale"]:
                self._allow(verb, "apps", "deployments/scale", namespace, name)
                return self._scale(name, query, body)
        raise Refusal(404, "the server could not find the requested resource")

    def _allow(self, verb: str, group: str, resource: str, namespace: str, name: str) -> None:
        self.cluster.asked.append((verb, name))
        refused = self.cluster.refused[verb, name]
        if refused and (status := refused.popleft()) != 200:
            raise Refusal(status, "told to fail")
        if namespace != NAMESPACE or not self.cluster.may(verb, group, resource, name):
            raise Refusal(403, f'{resource} "{name}" is forbidden: market-day cannot {verb} it')

    def _deployment(self, name: str) -> Deployment:
        if name not in self.cluster.deployments:
            raise Refusal(404, f'deployments.apps "{name}" not found')
        return self.cluster.deployments[name]

    def _scale(self, name: str, query: dict[str, str], body: bytes) -> dict[str, Any]:
        if self.headers.get("Content-Type") != "application/apply-patch+yaml":
            raise Refusal(415, f"not applied: {self.headers.get('Content-Type')}")
        if not (owner := query.get("fieldManager")):
            raise Refusal(422, "fieldManager: Required value: is required for apply patch")
        wanted, one = yaml.safe_load(body), self._deployment(name)
        if (wanted["kind"], wanted["apiVersion"], wanted["metadata"]["name"]) != ("Scale", "autoscaling/v1", name):
            raise Refusal(400, "the body is not the Scale of the path")
        if wanted["metadata"].get("resourceVersion", str(one.version)) != str(one.version):
            raise Refusal(409, "the object has been modified; please apply your changes to the latest version")
        replicas = wanted["spec"]["replicas"]
        others = [other for other, said in one.owners.items() if other != owner and said != replicas]
        if others and query.get("force") != "true":
            raise Refusal(409, f'Apply failed with 1 conflict: conflict with "{others[0]}": .spec.replicas')
        one.owners = {other: said for other, said in one.owners.items() if other not in others} | {owner: replicas}
        one.version += 1
        if replicas != one.replicas:
            one.before, one.replicas, one.changed = one.replicas, replicas, time.monotonic()
            one.generation += 1
        self.cluster.scaled.append((name, replicas, time.time()))
        meta = {"name": name, "namespace": NAMESPACE, "resourceVersion": str(one.version)}
        status = {"replicas": one.before, "selector": f"app.kubernetes.io/component={name}"}
        return {**wanted, "metadata": meta, "status": status}

    def _send(self, status: int, found: dict[str, Any]) -> None:
        body = json.dumps(found).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Not a line for each question."""


def told(name: str, one: Deployment) -> dict[str, Any]:
    """As the API tells it. Its status lags behind, as a controller's does."""
    passed = time.monotonic() - one.changed
    seen = passed >= one.seen_after
    there = one.replicas if seen and not (one.stuck and not one.replicas) else one.before
    ready = there if seen and passed >= one.ready_after and not one.trouble else 0
    up = {"type": "Available", "status": str(ready == one.replicas), "lastTransitionTime": "2026-11-27T14:20:00Z"}
    labels = {"app.kubernetes.io/component": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "generation": one.generation, "resourceVersion": str(one.version)},
        "spec": {
            "replicas": one.replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": name, "image": "x"}]}},
        },
        "status": {
            "observedGeneration": one.generation if seen else one.generation - 1,
            "replicas": there,
            "updatedReplicas": there,
            "readyReplicas": ready,
            "conditions": [{**up, "message": one.trouble or "Deployment does not have minimum availability."}],
        },
    }


@contextmanager
def running(kubeconfig: Path) -> Iterator[Cluster]:
    """A cluster, which the file leads to."""
    cluster = Cluster()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"cluster": cluster}))
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    lead_to(server.server_address[1], kubeconfig)
    try:
        yield cluster
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def lead_to(port: int, kubeconfig: Path) -> None:
    """Let the file lead to a cluster on that port of this machine."""
    said = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "fake",
        "clusters": [{"name": "fake", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "day", "user": {"token": TOKEN}}],
        "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "day"}}],
    }
    kubeconfig.write_text(yaml.safe_dump(said))
