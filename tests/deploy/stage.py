"""A copy of the scripts in k8s/bin with everything that they call replaced by stubs that note their calls."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from tests.deploy.manifests import KUBECTL, ROOT

PROGRAMS = ("aws", "eksctl", "kubectl", "docker", "git", "make")
COMMIT = "4be1e0e1c0ffee"
LIVE = "0ldc0mm1t"
"""Of the version that is deployed."""
REGISTRY = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
OUTPUTS = {
    "Repository": f"{REGISTRY}/bank-stream",
    "Account": "123456789012",
    "PodSecurityGroup": "sg-0123456789abcdef0",
    "ClusterSecurityGroup": "sg-0fedcba9876543210",
}
DESCRIBE = "aws cloudformation describe-stacks --stack-name bank-stream"
KUBE = "kubectl --namespace bank-stream"
STATUS = f"{KUBE} exec deployment/bank-stream --container driver -- python -m pipeline status"

REPLICAS = f"{KUBE} get deployment/bank-stream --output jsonpath={{.spec.replicas}}"

UNIT, RECORD = "\x1f", "\x1e"

Answer = tuple[str, str, int]


class Call(NamedTuple):
    """A call of a stub: what it read, and what it would have sent to the cluster."""

    line: str
    input: str
    manifests: str


def status(*, alive: bool = True, waiting: str = "0", letters: int = 0) -> str:
    """What `python -m pipeline status --json` prints."""
    groups = [{"reason": "no_account", "type": "transaction", "letters": letters}] if letters else []
    return json.dumps(
        {
            "holders": [{"owner": "driver-1", "alive": alive}],
            "shards": [{"shard": "shardId-0", "waiting": waiting}],
            "letters": groups,
        }
    )


def told(state: str = "leading", **more: object) -> str:
    """What a driver's /status says, with its time: it leads for a minute, and was at the tip a moment ago."""
    shards = {"shardId-0": {"lag_seconds": 2.0, "checkpoint_age_seconds": 3.0}} if state == "leading" else {}
    ready, since = {"ok": True, "why": state}, "2026-05-04T12:00:00+00:00"
    now = datetime.fromisoformat(since).timestamp() + 60
    said = {"state": state, "since": since, "ready": ready, "waiting": [], "shards": shards, "batches": [], "now": now}
    return json.dumps({**said, **more}) + "\n"


ANSWERS: tuple[Answer, ...] = (
    (DESCRIBE, "".join(f"{name}\t{value}\n" for name, value in OUTPUTS.items()), 0),
    ("aws ecr describe-images", "", 254),
    ("aws ecr get-login-password", "the-registrys-password", 0),
    ("aws eks list-clusters", "Other Spark", 0),
    ("aws eks describe-cluster", "https://oidc.eks.us-east-1.amazonaws.com/id/ABC\tvpc-1\tsg-1\n", 0),
    ("aws eks describe-fargate-profile", "arn:aws:iam::123456789012:role/eksctl-Spark-pods\n", 0),
    ("git rev-parse", COMMIT, 0),
    (f"{KUBE} get configmap proven", "hash-7", 0),
    (f"{KUBE} get job", "SuccessCriteriaMet Complete", 0),
    (REPLICAS, "1", 0),
    (f"{KUBE} get deployment/bank-stream --output", f"{REGISTRY}/bank-stream:{LIVE} settings-7h29f6k4mm", 0),
    (f"{KUBE} get pods", "pod/bank-stream-1\n", 0),
    (f"{KUBE} exec pod/", told(), 0),
    (STATUS, status(), 0),
)
"""All is well: a cluster, with the service running on it, and an image that is not in the registry yet."""


@dataclass(frozen=True)
class Played:
    """What a script said, how it ended, and what it called."""

    code: int
    said: str
    calls: list[Call]

    @property
    def lines(self) -> list[str]:
        return [one.line for one in self.calls]

    @property
    def way_on(self) -> str:
        """What its last line says to do."""
        last = self.said.splitlines()[-1]
        assert "to go on: " in last, self.said
        return last

    def starting(self, start: str) -> list[Call]:
        """The calls that start so."""
        return [one for one in self.calls if one.line.startswith(start)]


class Stage:
    """`play` runs a command in the copy."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.root = folder / "repository"
        shutil.copytree(ROOT / "k8s", self.root / "k8s", ignore=shutil.ignore_patterns("rendered"))
        for name in ("Makefile", "Dockerfile"):
            shutil.copy(ROOT / name, self.root)
        programs = folder / "programs"
        programs.mkdir()
        for name in PROGRAMS:
            (programs / name).symlink_to(Path(__file__).with_name("stub.sh"))
        (folder / "global-bundle.pem").write_text("certificates")
        self.environment = {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "STUB_FOLDER": str(folder),
            "REAL_KUBECTL": str(KUBECTL),
            "MYSQL_LOC": "jdbc:mysql://bank.example.org:3306/bytecrunchers?sslMode=VERIFY_IDENTITY",
            "RDS_CERTIFICATES": str(folder / "global-bundle.pem"),
            "POLL": "0.01",
        }

    def play(
        self,
        *command: str,
        answers: Sequence[Answer] = (),
        environment: Mapping[str, str] = {},
        fails: int | None = None,
    ) -> Played:
        """Run it. `answers` go before those that say that all is well; `fails`: the number of the call that fails."""
        given = {**environment, **({} if fails is None else {"STUB_FAILS": str(fails), "REAL_KUBECTL": ""})}
        return self._ended(self._begun(command, answers, given))

    def abort(
        self, *command: str, at: int, by: signal.Signals = signal.SIGTERM, answers: Sequence[Answer] = ()
    ) -> Played:
        """Run it until the call with that number, which does not end, and send a signal to all of it, as Jenkins does.

        Raises TimeoutError where there is no such call.
        """
        hangs = self._folder / "hangs"
        hangs.unlink(missing_ok=True)
        begun = self._begun(command, answers, {"STUB_HANGS": str(at), "REAL_KUBECTL": ""})
        deadline = time.monotonic() + 20
        while not hangs.exists():
            if begun.poll() is not None or time.monotonic() > deadline:
                os.killpg(begun.pid, signal.SIGKILL)
                raise TimeoutError(f"there is no call number {at}")
            time.sleep(0.01)
        os.killpg(begun.pid, by)
        return self._ended(begun)

    def _begun(
        self, command: Sequence[str], answers: Sequence[Answer], environment: Mapping[str, str]
    ) -> subprocess.Popen[str]:
        wanted = [UNIT.join((start, output, str(code))) for start, output, code in (*answers, *ANSWERS)]
        (self._folder / "answers").write_text("".join(f"{one}{RECORD}" for one in wanted))
        for before in (self._folder / "calls", self._folder / "count"):
            before.unlink(missing_ok=True)
        return subprocess.Popen(
            command,
            cwd=self.root,
            env={**self.environment, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def _ended(self, begun: subprocess.Popen[str]) -> Played:
        said, _ = begun.communicate()
        noted = self._folder / "calls"
        records = noted.read_text().split(RECORD)[:-1] if noted.exists() else []
        return Played(begun.returncode, said, [Call(*one.split(UNIT)) for one in records])
