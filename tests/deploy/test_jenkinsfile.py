"""The Jenkinsfile, run: by Groovy 2.4, which is Jenkins' own, and a harness that knows what it may call."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.manifests import K8S, ROOT, overlay, the
from tests.processes import Missing, program

JENKINSFILE = ROOT / "Jenkinsfile"
HARNESS = Path(__file__).with_name("jenkins.groovy")
GROOVY = Path("/usr/share/java/groovy-all.jar")
STEPS = ["access", "check", "build", "scan", "infrastructure", "push", "migrate", "deploy", "smoke"]
CLEANUP = "rm -rf k8s/rendered"
DEPRECATED = {"HADOOP_VERSION", "NUM_EXECUTORS", "SUSTAINED_TIMEOUT"}
CONTRACT = {
    *("SPARK_VERSION", "HADOOP_VERSION", "MAX_EXECUTORS", "NUM_CORES", "THREADS", "EXECUTOR_MEMORY", "DRIVER_MEMORY"),
    *("PARTITIONS", "BATCH_LENGTH", "SCALING_INTERVAL", "NUM_EXECUTORS", "SUSTAINED_TIMEOUT", "FRAUD_SAMPLE_CHANCE"),
    *("THRESHOLD_FRAUD", "THRESHOLD_VELOCITY", "WEIGHTING_CVC", "WEIGHTING_AMOUNT", "WEIGHTING_LOCATION"),
    "WEIGHTING_VELOCITY",
}
"""The parameters that whoever starts the job gives today."""
NONE = frozenset[str]()
KEYS = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}

Call = dict[str, Any]


class Harness:
    """Groovy, with the harness loaded: a run takes a moment, and starting it a second."""

    def __init__(self) -> None:
        if not GROOVY.exists():
            raise Missing("Groovy is missing: run `make setup`, or install the Debian package groovy")
        java = [program("java", "openjdk-17-jre-headless"), "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
        opened = [f"--add-opens=java.base/java.{package}=ALL-UNNAMED" for package in ("lang", "util")]
        command = [*java, *opened, "-cp", str(GROOVY), "groovy.ui.GroovyMain", str(HARNESS)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)

    def run(
        self, parameters: Mapping[str, object] = {}, failing: str = "", file: Path = JENKINSFILE
    ) -> tuple[list[Call], str | None]:
        """What the pipeline calls with these parameters where the script `failing` fails; and what has ended it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"file": str(file), "parameters": parameters, "failing": failing}) + "\n")
        answer = json.loads(self._process.stdout.readline())
        return answer["calls"], answer["halted"]

    def calls(self, parameters: Mapping[str, object] = {}) -> list[Call]:
        """What a run calls that nothing ends."""
        calls, halted = self.run(parameters)
        assert halted is None
        return calls

    def end(self) -> None:
        self._process.communicate()


@pytest.fixture(scope="module")
def jenkins() -> Iterator[Harness]:
    harness = Harness()
    yield harness
    harness.end()


def commands(noted: list[Call]) -> list[str]:
    return [one["sh"] for one in noted if "sh" in one]


@pytest.fixture(scope="module")
def deployment(jenkins: Harness) -> list[Call]:
    """Everything that a deployment with the parameters' defaults calls."""
    return jenkins.calls()


def test_a_deployment_takes_every_step_in_its_order(deployment: list[Call]) -> None:
    assert commands(deployment) == [*(f"k8s/bin/{step}" for step in STEPS), CLEANUP]
    makefile = (ROOT / "Makefile").read_text()
    assert f"for step in {' '.join(STEPS)}; do" in makefile, "make deploy takes the same steps"


@pytest.mark.parametrize("action", ["redrive", "drain", "teardown"])
def test_another_action_is_its_own_script_and_no_other(jenkins: Harness, action: str) -> None:
    assert commands(jenkins.calls({"ACTION": action})) == [f"k8s/bin/{action}", CLEANUP]


def test_nothing_follows_a_step_that_failed(jenkins: Harness) -> None:
    noted, halted = jenkins.run(failing="k8s/bin/migrate")
    assert halted == "k8s/bin/migrate has failed"
    assert commands(noted) == [*(f"k8s/bin/{step}" for step in STEPS[: STEPS.index("migrate") + 1]), CLEANUP]
    assert [one["echo"] for one in noted if "echo" in one] == [
        "The last line of the stage that failed says how to go on."
    ]


def test_every_parameter_of_the_contract_is_there_and_its_default_is_the_manifests(deployment: list[Call]) -> None:
    parameters = {one["parameter"]: one["value"] for one in deployment if "parameter" in one}
    assert parameters.keys() >= CONTRACT
    data = the("ConfigMap", "settings", overlay("fargate"))["data"]
    same = {("MAX_THREADS" if name == "THREADS" else name): value for name, value in parameters.items()}
    assert {name: value for name, value in same.items() if name in data} == {
        name: data[name] for name in same if name in data
    }
    assert {name for name in CONTRACT - DEPRECATED if name not in (*data, "THREADS", "SPARK_VERSION")} == set()
    assert all(parameters[name] == "" for name in DEPRECATED)
    assert f"ARG SPARK_VERSION={parameters['SPARK_VERSION']}\n" in (ROOT / "Dockerfile").read_text()


def test_deprecated_parameters_say_so() -> None:
    text = JENKINSFILE.read_text()
    for name in DEPRECATED:
        assert re.search(rf"name: '{name}'.*description: 'Deprecated, no effect", text)


def test_yes_and_no_reach_the_scripts_as_they_ask_for_them(jenkins: Harness) -> None:
    for given, said in ((True, "yes"), (False, "no")):
        (made,) = [
            one["environment"] for one in jenkins.calls({"STANDBY": given, "FORCE": given}) if "environment" in one
        ]
        assert (made["STANDBY"], made["FORCE"]) == (said, said)


@pytest.mark.parametrize("action", ["redrive", "drain", "teardown"])
def test_what_is_done_to_the_deployed_version_takes_the_keys_alone(jenkins: Harness, action: str) -> None:
    (given, _) = [one["secrets"] for one in jenkins.calls({"ACTION": action}) if "sh" in one]
    assert set(given) == KEYS


def test_each_step_has_the_secrets_that_it_needs_and_no_more(deployment: list[Call]) -> None:
    given = {one["sh"].removeprefix("k8s/bin/"): set(one["secrets"]) for one in deployment if "sh" in one}
    assert given == {
        **dict.fromkeys(["check", "build", "scan", CLEANUP], NONE),
        **dict.fromkeys(["infrastructure", "push", "smoke"], KEYS),
        **dict.fromkeys(["access", "migrate"], KEYS | {"MYSQL_LOC", "RDS_CERTIFICATES"}),
        "deploy": KEYS | {"MYSQL_LOC"},
    }


def test_one_build_at_a_time_and_none_for_ever(deployment: list[Call]) -> None:
    whole = {one["option"] for one in deployment if "option" in one and one["stage"] is None}
    assert whole >= {"disableConcurrentBuilds", "timeout"}
    stages = [one["stage"] for one in deployment if "sh" in one and one["stage"]]
    assert [one["stage"] for one in deployment if one.get("option") == "timeout" and one["stage"]] == stages


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("sh 'k8s/bin/push'", 'sh "k8s/bin/push ${params.ACTION}"'),
        ("sh 'k8s/bin/push'", "shell 'k8s/bin/push'"),
        ("timestamps()", "timestamp()"),
        ("description: 'Partitions of a batch'", "description: ''"),
    ],
)
def test_the_harness_takes_nothing_that_jenkins_should_not(
    jenkins: Harness, tmp_path: Path, right: str, wrong: str
) -> None:
    changed = tmp_path / "Jenkinsfile"
    text = JENKINSFILE.read_text()
    assert right in text
    changed.write_text(text.replace(right, wrong))
    _, halted = jenkins.run(file=changed)
    assert halted is not None


def test_every_script_that_is_called_exists() -> None:
    called = set(re.findall(r"k8s/bin/(\w+)", JENKINSFILE.read_text()))
    assert all((K8S / "bin" / name).stat().st_mode & 0o111 for name in called)


def test_the_clusters_name_is_the_one_that_the_bank_gave_it() -> None:
    assert yaml.safe_load((K8S / "cluster.yaml").read_text())["metadata"]["name"] == "Spark"
    assert ': "${CLUSTER:=Spark}"' in (K8S / "bin" / "common.sh").read_text()
