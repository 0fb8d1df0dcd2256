"""Every step of the pipeline against stubs: what it calls, and what it says where one of its calls fails."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pipeline.observability.liveness import LONGEST_START
from tests.deploy.manifests import K8S, ROOT, Manifest, driver, environment, spark_defaults, the
from tests.deploy.stage import (
    COMMIT,
    KUBE,
    LIVE,
    OUTPUTS,
    REGISTRY,
    REPLICAS,
    STATUS,
    Answer,
    Played,
    Stage,
    status,
    told,
)

STEPS = ["access", "check", "build", "scan", "infrastructure", "push", "migrate", "deploy", "smoke"]
OTHERS = ["render", "rollback", "redrive", "drain", "teardown"]
DRIVER = "app.kubernetes.io/component=driver"
UNDONE = f"{KUBE} rollout undo deployment/bank-stream"
DOCKERFILE = (ROOT / "Dockerfile").read_text()
SECRET = "aws secretsmanager describe-secret --secret-id"
UNSEEN = {"REAL_KUBECTL": ""}
"""Where the manifests are not looked at, which takes the real kubectl a while."""
MAY_FAIL = re.compile(r"aws ecr describe-images|kubectl .* (logs |get pods |exec (pod/|.* status --json))")
"""Calls whose failure is an answer."""


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def scripts() -> list[Path]:
    """The shell scripts, and the steps among them."""
    return sorted(path for path in (K8S / "bin").iterdir() if path.suffix != ".py" and path.name[0] != ".")


def test_shellcheck_finds_nothing() -> None:
    shell = [*scripts(), Path(__file__).with_name("stub.sh"), ROOT / ".ci" / "run"]
    shell += [ROOT / "scripts" / name for name in ("airflow.sh", "setup.sh")]
    found = subprocess.run(
        [Path(sys.executable).parent / "shellcheck", "--external-sources", "--source-path=SCRIPTDIR", *shell],
        capture_output=True,
        text=True,
    )
    assert (found.returncode, found.stdout) == (0, "")


def test_every_script_is_tested() -> None:
    assert {path.name for path in scripts()} == {*STEPS, *OTHERS, "job", "common.sh", "try-image"}


@pytest.mark.parametrize("script", [*STEPS, *OTHERS])
def test_whichever_call_fails_the_last_line_says_how_to_go_on(stage: Stage, script: str) -> None:
    whole = stage.play(f"k8s/bin/{script}")
    assert whole.code == 0, whole.said
    for number, call in enumerate(whole.lines, start=1):
        played = stage.play(f"k8s/bin/{script}", fails=number)
        if MAY_FAIL.search(call) and played.code == 0:
            continue
        assert played.code == 1, f"{call}: {played.said}"
        assert played.way_on
        assert "the-registrys-password" not in played.said + " ".join(played.lines)


@pytest.mark.parametrize("failing", STEPS)
def test_nothing_is_done_after_a_step_that_failed(stage: Stage, failing: str) -> None:
    make = shutil.which("make") or ""
    step = stage.root / "k8s" / "bin" / failing
    step.write_text(step.read_text().replace('common.sh"\n', "common.sh\"\nhint 'as said'\nstop 'it breaks'\n", 1))
    played = stage.play(make, "--silent", "-o", "setup", "deploy", environment=UNSEEN)
    assert played.code == 2
    assert f"{failing}: to go on: as said" in played.said
    later = {"push": "docker push", "migrate": "kubectl apply", "deploy": f"{KUBE} rollout", "smoke": f"{KUBE} exec"}
    for step_after in STEPS[STEPS.index(failing) :]:
        assert not played.starting(later.get(step_after, "nothing"))


def test_make_deploy_does_every_step_in_its_order(stage: Stage) -> None:
    played = stage.play(shutil.which("make") or "", "--silent", "-o", "setup", "deploy", environment=UNSEEN)
    assert played.code == 0, played.said
    milestones = [
        "aws sts get-caller-identity",
        "make check",
        "docker build",
        "docker run --rm --volume /var/run/docker.sock:/var/run/docker.sock:ro aquasec/trivy",
        "aws cloudformation deploy",
        "docker push",
        "kubectl apply --kustomize k8s/rendered --selector",
        "kubectl apply --kustomize k8s/rendered/job",
        "kubectl apply --kustomize k8s/rendered",
        f"{KUBE} rollout status",
        f"{KUBE} exec deployment/bank-stream --container driver -- python -m pipeline check",
        STATUS,
    ]
    places = [max(n for n, line in enumerate(played.lines) if line.startswith(start)) for start in milestones[4:]]
    first = [next(n for n, line in enumerate(played.lines) if line.startswith(start)) for start in milestones[:5]]
    assert first == sorted(first)
    assert [*places[:4], *places[5:]] == sorted([*places[:4], *places[5:]])
    assert not played.starting(UNDONE)


@pytest.mark.parametrize(
    ("environment", "answers", "says"),
    [
        ({"MYSQL_LOC": ""}, [], "MYSQL_LOC is not set"),
        ({"RDS_CERTIFICATES": ""}, [], "RDS_CERTIFICATES is not set"),
        ({"RDS_CERTIFICATES": "/nonexistent"}, [], "no such file"),
        ({"MYSQL_LOC": "mysql://me:secret@db/x"}, [], "MYSQL_LOC holds a login"),
        ({}, [("aws sts get-caller-identity", "", 253)], "log in to AWS"),
        (
            {},
            [("aws secretsmanager describe-secret --secret-id bank/stream-migration", "", 254)],
            "bank/stream-migration",
        ),
    ],
)
def test_a_deployment_that_has_no_access_ends_before_anything_is_tested_or_built(
    stage: Stage, environment: dict[str, str], answers: list[Answer], says: str
) -> None:
    make = shutil.which("make") or ""
    played = stage.play(
        make, "--silent", "-o", "setup", "deploy", environment={**UNSEEN, **environment}, answers=answers
    )
    assert played.code == 2
    assert says in played.said and "access: to go on: " in played.said
    assert not played.starting("make") and not played.starting("docker")


def test_check_says_what_is_deprecated_and_refuses_what_cannot_be(stage: Stage) -> None:
    old = {"NUM_EXECUTORS": "3", "SUSTAINED_TIMEOUT": "5", "HADOOP_VERSION": "3.2"}
    played = stage.play("k8s/bin/check", environment=old)
    assert (played.code, played.lines) == (0, ["make check"])
    assert all(f"{name} is deprecated" in played.said for name in old)
    wrong = {
        "SPARK_VERSION": "3.1.2",
        "MAX_EXECUTORS": "0",
        "THREADS": "many",
        "EXECUTOR_MEMORY": "2 GB",
        "BATCH_LENGTH": "5s",
        "WEIGHTING_CVC": "-1",
        "AUDITED_ACCOUNTS": "all of them",
        "AUDITED_LOANS": "none",
    }
    for name, value in wrong.items():
        played = stage.play("k8s/bin/check", environment={name: value})
        assert (played.code, played.lines) == (1, []), played.said
        assert f"{name} is " in played.said


def test_only_a_commit_is_built(stage: Stage) -> None:
    dirty = stage.play("k8s/bin/build", answers=[("git status --porcelain", " M pipeline/dstream/driver.py\n", 0)])
    assert dirty.code == 1
    assert not dirty.starting("docker")
    for given in (
        {},
        {"SPARK_VERSION": dict(re.findall(r"^ARG (\w+)=(\S+)", DOCKERFILE, re.MULTILINE))["SPARK_VERSION"]},
    ):
        (build,) = stage.play("k8s/bin/build", environment=given).starting("docker build")
        assert build.line.endswith(f"--tag bank-stream:{COMMIT} .")


def test_another_spark_is_another_image(stage: Stage) -> None:
    """Under the commit alone, the one that is in the registry already would be deployed in its place."""
    for script, call in (("build", "docker build"), ("push", "docker push"), ("deploy", "kubectl apply")):
        played = stage.play(f"k8s/bin/{script}", environment={"SPARK_VERSION": "4.1.99"})
        (made,) = played.starting(call)
        assert f"{COMMIT}-spark-4.1.99" in made.line + made.manifests
        assert "spark-4.1.99-spark" not in made.line + made.manifests
        assert script != "build" or "--build-arg SPARK_VERSION=4.1.99 " in made.line


def test_the_registrys_password_is_on_no_command_line(stage: Stage) -> None:
    played = stage.play("k8s/bin/push")
    (login,) = played.starting("docker login")
    assert login.input == "the-registrys-password"
    assert "the-registrys-password" not in played.said + " ".join(played.lines)
    assert played.lines[-2:] == [f"docker push {REGISTRY}/bank-stream:{COMMIT}", f"docker logout {REGISTRY}"]


def test_an_image_that_is_there_is_not_pushed_again(stage: Stage) -> None:
    played = stage.play("k8s/bin/push", answers=[("aws ecr describe-images", "{}", 0)])
    assert played.code == 0
    assert not played.starting("docker")


@pytest.mark.parametrize("there", [True, False])
def test_a_cluster_is_made_where_there_is_none(stage: Stage, there: bool) -> None:
    names = "Other\tSpark\n" if there else "Other\tSparkle\n"
    played = stage.play("k8s/bin/infrastructure", answers=[("aws eks list-clusters", names, 0)])
    assert played.code == 0, played.said
    assert bool(played.starting("eksctl create cluster --config-file k8s/cluster.yaml")) is not there
    first, second = played.starting("aws cloudformation deploy")
    assert "OidcProvider" not in first.line
    assert "OidcProvider=oidc.eks.us-east-1.amazonaws.com/id/ABC VpcId=vpc-1 ClusterSecurityGroup=sg-1" in second.line
    assert second.line.endswith(" PodExecutionRole=eksctl-Spark-pods")


@pytest.mark.parametrize("elsewhere", [{"AWS_DEFAULT_REGION": "eu-west-1"}, {"CLUSTER": "Flink"}])
def test_the_cluster_that_is_looked_for_is_the_one_that_is_made(stage: Stage, elsewhere: dict[str, str]) -> None:
    """Else each run would find none, and begin to make the other one again."""
    played = stage.play("k8s/bin/infrastructure", environment=elsewhere)
    assert (played.code, played.lines) == (1, []), played.said


def test_what_is_not_said_of_the_database_and_the_data_stays_as_it_was_said_last(stage: Stage) -> None:
    """CloudFormation keeps a parameter that is not named; an empty group would take the pods' way to the database."""
    given = {"DATABASE_SECURITY_GROUP": "sg-db", "DATA_IS_THERE": "yes"}
    for environment_, named in (({}, False), (dict.fromkeys(given, ""), False), (given, True)):
        played = stage.play("k8s/bin/infrastructure", environment=environment_)
        for call in played.starting("aws cloudformation deploy"):
            assert (" DataIsThere=yes DatabaseSecurityGroup=sg-db" in call.line) is named
            assert ("DataIsThere" in call.line, "DatabaseSecurityGroup" in call.line) == (named, named)
    assert "DatabaseSecurityGroup" not in " ".join(stage.play("k8s/bin/teardown").lines)


def test_the_audit_has_the_operators_login_and_the_accounts_and_loans_that_the_bank_names(stage: Stage) -> None:
    given = {"OPERATOR_SECRET_ID": "other/operator", "AUDITED_ACCOUNTS": "1-5000,7001", "AUDITED_LOANS": "1-9"}
    for said in (given, {"OPERATOR_SECRET_ID": "bank/stream-operator", "AUDITED_ACCOUNTS": "", "AUDITED_LOANS": ""}):
        played = stage.play("k8s/bin/deploy", environment=said)
        manifests = list(yaml.safe_load_all(played.starting("kubectl apply")[0].manifests))
        job = the("CronJob", "bank-stream-audit", manifests)["spec"]["jobTemplate"]["spec"]
        (container,) = job["template"]["spec"]["containers"]
        assert environment(container) == {
            "MYSQL_SECRET_ID": said["OPERATOR_SECRET_ID"],
            "AUDITED_ACCOUNTS": said["AUDITED_ACCOUNTS"],
            "AUDITED_LOANS": said["AUDITED_LOANS"],
        }
        assert container["image"] == f"{REGISTRY}/bank-stream:{COMMIT}"


def test_what_is_deployed_is_this_commit_with_these_parameters(stage: Stage) -> None:
    parameters = {"MAX_EXECUTORS": "7", "THREADS": "9", "DRIVER_MEMORY": "2g", "THRESHOLD_FRAUD": "0.9"}
    where = {"MYSQL_SSL_CA": "/home/jenkins/ca.pem", "STANDBY": "yes"}
    played = stage.play("k8s/bin/deploy", environment={**parameters, **where})
    assert played.code == 0, played.said
    manifests = tuple(yaml.safe_load_all(played.starting("kubectl apply")[0].manifests))
    container = driver(manifests)["containers"][0]
    assert container["image"] == environment(container)["IMAGE"] == f"{REGISTRY}/bank-stream:{COMMIT}"
    assert {container["resources"][kind]["memory"] for kind in ("requests", "limits")} == {"3072Mi"}
    data = the("ConfigMap", "settings", manifests)["data"]
    assert (data["MAX_EXECUTORS"], data["MAX_THREADS"], data["DRIVER_MEMORY"]) == ("7", "9", "2g")
    assert (data["THRESHOLD_FRAUD"], data["MYSQL_LOC"]) == ("0.9", stage.environment["MYSQL_LOC"])
    assert (data["MYSQL_SECRET_ID"], data["MYSQL_SSL_CA"]) == ("bank/stream", "/etc/rds/global-bundle.pem")
    assert the("Deployment", "bank-stream", manifests)["spec"]["replicas"] == 2
    for account in ("driver", "executor", "operator"):
        annotations = the("ServiceAccount", account, manifests)["metadata"]["annotations"]
        assert annotations["eks.amazonaws.com/role-arn"] == f"arn:aws:iam::123456789012:role/bank-stream-{account}"
    groups = the("SecurityGroupPolicy", "bank-stream", manifests)["spec"]["securityGroups"]["groupIds"]
    assert groups == [OUTPUTS["PodSecurityGroup"], OUTPUTS["ClusterSecurityGroup"]]
    assert spark_defaults(manifests)["spark.authenticate"] == "true"


def test_a_login_does_not_get_into_the_settings(stage: Stage) -> None:
    for where in ("jdbc:mysql://u:p4ss@db/x", "jdbc:mysql://db/x?user=u&password=p4ss"):
        played = stage.play("k8s/bin/render", environment={"MYSQL_LOC": where})
        assert played.code == 1
        assert "p4ss" not in played.said


@pytest.mark.parametrize("script", ["render", "migrate"])
def test_what_has_no_default_is_asked_for(stage: Stage, script: str) -> None:
    name = {"render": "MYSQL_LOC", "migrate": "RDS_CERTIFICATES"}[script]
    played = stage.play(f"k8s/bin/{script}", environment={name: ""})
    assert played.code == 1
    assert f"{name} is not set" in played.said
    assert not played.starting("kubectl")


def test_migrations_run_beside_the_running_version_with_a_login_of_their_own(stage: Stage) -> None:
    played = stage.play("k8s/bin/migrate")
    assert played.code == 0, played.said
    logging, first, job = played.starting("kubectl apply")
    assert logging.line == "kubectl apply --kustomize k8s/logging", "before any pod, which would start without"
    assert first.line.endswith("--selector bank-stream/first=true")
    wanted = [one for one in yaml.safe_load_all(first.manifests) if "bank-stream/first" in one["metadata"]["labels"]]
    assert {one["kind"] for one in wanted} == {"Namespace", "ServiceAccount", "SecurityGroupPolicy"}
    manifests = list(yaml.safe_load_all(job.manifests))
    (made,) = [one for one in manifests if one["kind"] == "Job"]
    (container,) = made["spec"]["template"]["spec"]["containers"]
    assert made["metadata"]["name"].startswith("bank-stream-migrate-")
    assert (container["image"], container["args"]) == (
        f"{REGISTRY}/bank-stream:{COMMIT}",
        ["python", "-m", "migrations"],
    )
    assert environment(container)["MYSQL_SECRET_ID"] == "bank/stream-migration"
    assert container["envFrom"] == [{"configMapRef": {"name": "job-settings"}}]
    assert the("ConfigMap", "job-settings", manifests)["data"]["MYSQL_LOC"] == stage.environment["MYSQL_LOC"]


@pytest.mark.parametrize("ended", ["Failed", ""])
def test_a_job_that_fails_or_does_not_end_is_an_error(stage: Stage, ended: str) -> None:
    answers = [(f"{KUBE} get job", ended, 0), (f"{KUBE} logs job", "the reason\n", 0)]
    played = stage.play("k8s/bin/migrate", answers=answers, environment={"JOB_TIMEOUT": "10"})
    assert played.code == 1
    assert "the reason" in played.said
    assert "the running version is not touched" in played.way_on


def test_a_version_that_does_not_become_ready_is_taken_back(stage: Stage) -> None:
    never = f"{KUBE} rollout status deployment/bank-stream --timeout=1s"
    later = {"ROLLOUT_TIMEOUT": "1s"}
    played = stage.play("k8s/bin/deploy", answers=[(never, "exceeded its progress deadline\n", 1)], environment=later)
    assert played.starting(UNDONE)
    assert played.code == 1, "neither is the one before ready"
    assert "no version is ready" in played.said
    assert played.starting(UNDONE)[0].line == f"{UNDONE} --to-revision=7", "the one that ran before this one"


@pytest.mark.parametrize("worked", ["hash-7", ""])
def test_only_what_ran_before_is_put_back(stage: Stage, worked: str) -> None:
    """The same version started anew, as after a drain, or the first ever: one step back would be other rules."""
    never = (f"{KUBE} rollout status", "exceeded its progress deadline\n", 1)
    revision = (f"{KUBE} get deployment/bank-stream --ignore-not-found", "7", 0)
    proven = (f"{KUBE} get configmap proven", worked, 0)
    played = stage.play("k8s/bin/deploy", answers=[never, revision, proven])
    assert played.code == 1
    assert not played.starting(UNDONE)
    assert "is not taken back" in played.said
    assert ("the one that ran before" if worked else "no version before this one") in played.said


NOTED = f"{KUBE} create configmap proven --from-literal version="


def test_what_was_seen_to_work_is_noted_in_the_cluster(stage: Stage) -> None:
    (noted,) = stage.play("k8s/bin/smoke").starting(NOTED)
    assert noted.line == f"{NOTED}hash-7 --dry-run=client --output yaml"
    assert not stage.play("k8s/bin/smoke", answers=[(CHECK, "FAIL database\n", 1)]).starting(NOTED)
    assert not stage.play("k8s/bin/deploy").starting(NOTED), "ready is not enough"


def test_a_version_whose_deployment_was_aborted_is_not_the_one_before(stage: Stage) -> None:
    """Number 7 is there and was never seen to work, as an aborted build leaves it: its workspace is empty."""
    proven = (f"{KUBE} get configmap proven", "hash-4", 0)
    never = (f"{KUBE} rollout status deployment/bank-stream --timeout=1s", "exceeded its progress deadline\n", 1)
    later = {"ROLLOUT_TIMEOUT": "1s"}
    played = stage.play("k8s/bin/deploy", answers=[proven, never], environment=later)
    assert [one.line for one in played.starting(UNDONE)] == [f"{UNDONE} --to-revision=4"]
    assert "was not seen to work: the version before is number 4" in played.said
    by_hand = stage.play("k8s/bin/rollback", answers=[proven])
    assert [one.line for one in by_hand.starting(UNDONE)] == [f"{UNDONE} --to-revision=4"]
    further = stage.play("k8s/bin/rollback")
    assert [one.line for one in further.starting(UNDONE)] == [UNDONE], "from what works, one step"


@pytest.mark.parametrize("script", [*STEPS, *OTHERS])
def test_wherever_a_build_is_aborted_its_last_line_says_how_to_go_on(stage: Stage, script: str) -> None:
    calls = stage.play(f"k8s/bin/{script}", environment=UNSEEN).lines
    for number, call in enumerate(calls, start=1):
        played = stage.abort(f"k8s/bin/{script}", at=number)
        assert played.code not in (0, -15), f"{call}: {played.said}"
        assert played.way_on.startswith(f"{script}: "), f"{call}: {played.said}"
        assert len(played.lines) <= number + 1, f"it went on after {call}: {played.lines[number:]}"


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_rollout_that_is_aborted_is_neither_taken_back_nor_taken_for_good(stage: Stage, by: signal.Signals) -> None:
    calls = stage.play("k8s/bin/deploy", environment=UNSEEN).lines
    rollout = next(n for n, line in enumerate(calls, start=1) if line.startswith(f"{KUBE} rollout status"))
    played = stage.abort("k8s/bin/deploy", at=rollout, by=by)
    assert played.code == 143
    assert f"interrupted by {by.name}" in played.said
    assert "run it again, or k8s/bin/rollback" in played.way_on
    assert not played.starting(UNDONE) + played.starting(NOTED)


@pytest.mark.parametrize("how", ["fails", "aborted"])
def test_the_registrys_login_does_not_outlive_a_push(stage: Stage, how: str) -> None:
    calls = stage.play("k8s/bin/push").lines
    push = next(n for n, line in enumerate(calls, start=1) if line.startswith("docker push"))
    played = stage.play("k8s/bin/push", fails=push) if how == "fails" else stage.abort("k8s/bin/push", at=push)
    assert played.lines[-1] == f"docker logout {REGISTRY}"
    assert played.code != 0 and "run it again" in played.way_on


def test_a_failed_rollout_ends_with_the_version_before(stage: Stage) -> None:
    rollout = next(
        number
        for number, line in enumerate(stage.play("k8s/bin/deploy").lines, start=1)
        if line.startswith(f"{KUBE} rollout status")
    )
    played = stage.play("k8s/bin/deploy", fails=rollout)
    assert played.code == 1
    assert "the version before runs again" in played.said
    assert "the one before runs again" in played.said


def deployed(stage: Stage) -> None:
    """As k8s/bin/deploy leaves it: revision 6 ran before this one."""
    (stage.root / "k8s" / "rendered").mkdir(exist_ok=True)
    (stage.root / "k8s" / "rendered" / "before").write_text("6\n")


@pytest.mark.parametrize("answer", [status(alive=False), "", status()])
def test_the_smoke_test_takes_back_what_nobody_leads(stage: Stage, answer: str) -> None:
    deployed(stage)
    played = stage.play("k8s/bin/smoke", answers=[(STATUS, answer, 1)])
    led = answer == status()
    assert played.code == (0 if led else 1)
    assert [one.line for one in played.starting(UNDONE)] == ([] if led else [f"{UNDONE} --to-revision=6"])
    again = stage.play("k8s/bin/smoke", answers=[(STATUS, answer, 1)])
    assert again.code == played.code
    assert not again.starting(UNDONE), "by hand it only looks: once more would put back what was taken back"


CHECK = f"{KUBE} exec deployment/bank-stream --container driver -- python -m pipeline check"


def test_the_smoke_test_takes_back_what_the_service_cannot_run_with(stage: Stage) -> None:
    deployed(stage)
    played = stage.play("k8s/bin/smoke", answers=[(CHECK, "FAIL database\n", 1)])
    assert played.code == 1
    assert played.starting(UNDONE)


WAITS = [{"for": "the stream", "since": "2026-05-04T12:00:00+00:00", "reason": "AccessDenied"}]
BEHIND = {"shardId-0": {"lag_seconds": 61.0, "checkpoint_age_seconds": 61.0}}
WORKING = {
    "at the tip": (told(), True),
    "beside a standby": (told("standing by") + told(), True),
    "hours behind, and applying": (told(shards=BEHIND, batches=[{"records": 7}]), True),
    "behind since it leads, as the leases say": (told(shards=BEHIND), False),
    "leading without a shard": (told(shards={}), False),
    "waiting": (told(waiting=WAITS), False),
    "not ready": (told(ready={"ok": False, "why": "no progress"}), False),
    "standing by": (told("standing by"), False),
    "starting": (told("starting"), False),
    "silent": ("", False),
}


@pytest.mark.parametrize("how", sorted(WORKING))
def test_the_smoke_test_takes_back_what_applies_nothing(stage: Stage, how: str) -> None:
    """Executors without a right, say: the driver's own looks at everything are fine, and it leads."""
    deployed(stage)
    answer, works = WORKING[how]
    shortly = {"SMOKE_TIMEOUT": "10"}
    played = stage.play("k8s/bin/smoke", answers=[(f"{KUBE} exec pod/", answer, 0)], environment=shortly)
    assert played.code == (0 if works else 1), played.said
    assert bool(played.starting(UNDONE)) is not works
    assert len(played.starting(f"{KUBE} exec pod/")) == (1 if works else 2)
    assert ("nothing is applied" in played.said) is not works


def container_of(played: Played) -> Manifest:
    """Of the job that was started, which brought nothing else along."""
    (made,) = yaml.safe_load_all(played.starting("kubectl apply")[0].manifests)
    container: Manifest = made["spec"]["template"]["spec"]["containers"][0]
    return container


def test_redriving_goes_by_reason_and_type_and_says_who(stage: Stage) -> None:
    given = {"REASON": "no_account", "TYPE": "transaction", "OPERATOR": "Ada, ticket 4711"}
    played = stage.play("k8s/bin/redrive", environment=given)
    assert played.code == 0, played.said
    command = ["python", "-m", "pipeline", "redrive", "--as", "Ada, ticket 4711"]
    more = ["--reason", "no_account", "--type", "transaction"]
    assert container_of(played)["args"] == command + more


def test_a_redrive_may_move_money_twice_only_where_somebody_says_so(stage: Stage) -> None:
    """--yes is what `redrive` asks for before letters of outside_hash_range, and for nothing else."""
    played = stage.play("k8s/bin/redrive", environment={"REASON": "outside_hash_range", "FORCE": "yes"})
    assert container_of(played)["args"][-3:] == ["--reason", "outside_hash_range", "--yes"]


def test_letters_are_judged_as_the_deployed_version_judges(stage: Stage) -> None:
    """Not by the commit that is checked out, whose image may not be there, nor by a form's fraud settings."""
    given = {"THRESHOLD_FRAUD": "9", "MYSQL_LOC": ""}
    container = container_of(stage.play("k8s/bin/redrive", environment=given))
    assert container["image"] == f"{REGISTRY}/bank-stream:{LIVE}"
    assert container["envFrom"] == [{"configMapRef": {"name": "settings-7h29f6k4mm"}}]
    assert environment(container) == {"MYSQL_SECRET_ID": "bank/stream-operator"}


def test_a_command_can_be_led_to_a_restored_database(stage: Stage) -> None:
    command = ("replay", "bank/stream-operator", "python", "-m", "pipeline", "replay", "--yes")
    where = "jdbc:mysql://restored.example.org/bytecrunchers?sslMode=VERIFY_IDENTITY"
    played = stage.play("k8s/bin/job", *command, environment={"MYSQL_LOC": where})
    assert environment(container_of(played))["MYSQL_LOC"] == where
    login = stage.play("k8s/bin/job", *command, environment={"MYSQL_LOC": "mysql://u:p4ss@restored/bytecrunchers"})
    assert (login.code, login.starting("kubectl apply")) == (1, [])
    assert "p4ss" not in login.said


def test_draining_waits_until_driver_and_executors_have_gone(stage: Stage) -> None:
    played = stage.play("k8s/bin/drain")
    assert played.lines[1:] == [
        f"{KUBE} scale deployment/bank-stream --replicas=0",
        f"{KUBE} wait --for=delete pod --selector app.kubernetes.io/component=driver --timeout=1080s",
        f"{KUBE} wait --for=delete pod --selector app.kubernetes.io/component=executor --timeout=180s",
    ]


def test_scripts_wait_longer_than_a_drain_and_a_start_may_take(stage: Stage) -> None:
    deployed = stage.play("k8s/bin/deploy")
    manifests = tuple(yaml.safe_load_all(deployed.starting("kubectl apply")[0].manifests))
    grace = driver(manifests)["terminationGracePeriodSeconds"]
    (drain,) = stage.play("k8s/bin/drain").starting(f"{KUBE} wait --for=delete pod --selector {DRIVER}")
    (rollout,) = deployed.starting(f"{KUBE} rollout status")
    patience = [int(one.line.rpartition("--timeout=")[2].removesuffix("s")) for one in (drain, rollout)]
    assert grace < patience[0]
    assert grace + LONGEST_START < patience[1]
    assert patience[1] < the("Deployment", "bank-stream", manifests)["spec"]["progressDeadlineSeconds"]


REFUSED = {
    "messages are unread": status(waiting="12"),
    "more than can be counted": status(waiting="1000+"),
    "a shard cannot be looked at": status(waiting=""),
    "letters are open": status(letters=3),
    "the service does not say": "",
}


@pytest.mark.parametrize("why", sorted(REFUSED))
def test_a_teardown_is_refused_while(stage: Stage, why: str) -> None:
    played = stage.play("k8s/bin/teardown", answers=[(STATUS, REFUSED[why], 1)])
    assert played.code == 1
    assert "refused, nothing was changed" in played.said
    assert not played.starting("eksctl") + played.starting(f"{KUBE} scale") + played.starting("aws cloudformation")
    told = stage.play("k8s/bin/teardown", answers=[(STATUS, REFUSED[why], 1)], environment={"FORCE": "yes"})
    assert told.code == 0, told.said
    assert told.lines[-1] == "eksctl delete cluster --name Spark --wait"


def drained(answer: str, *, code: int = 0) -> list[tuple[str, str, int]]:
    """No pod is there to ask; the one of the job prints this between its log's own lines, and ends so."""
    log = f'{{"event": "connected"}}\n{answer}\n{{"event": "done"}}\n'
    gone = "error: no pods are there\n", 1
    return [
        (REPLICAS, "0", 0),
        (f"{KUBE} exec", *gone),
        (f"{KUBE} logs job/bank-stream-status-", log, 0),
        (f"{KUBE} get job/bank-stream-status-", "Failed" if code else "Complete", 0),
    ]


@pytest.mark.parametrize("code", [0, 1])
def test_a_drained_service_is_looked_at_by_a_pod_of_its_own(stage: Stage, code: int) -> None:
    """Which ends with 1, as nobody holds the leases: that says nothing here."""
    played = stage.play("k8s/bin/teardown", answers=drained(json.dumps(json.loads(status()), indent=2), code=code))
    assert played.code == 0, played.said
    (job,) = played.starting("kubectl apply --kustomize k8s/rendered/job")
    container = yaml.safe_load(job.manifests)["spec"]["template"]["spec"]["containers"][0]
    assert container["args"] == ["python", "-m", "pipeline", "status", "--json"]
    assert environment(container)["MYSQL_SECRET_ID"] == "bank/stream-operator"
    assert played.lines[-1] == "eksctl delete cluster --name Spark --wait"


@pytest.mark.parametrize("why", sorted(REFUSED))
def test_a_teardown_of_a_drained_service_is_refused_while(stage: Stage, why: str) -> None:
    answer = json.dumps(json.loads(REFUSED[why]), indent=2) if REFUSED[why] else "ERROR the database is away"
    played = stage.play("k8s/bin/teardown", answers=drained(answer, code=1))
    assert played.code == 1
    assert "refused, nothing was changed" in played.said
    assert not played.starting("eksctl") + played.starting(f"{KUBE} scale") + played.starting("aws cloudformation")


def test_a_teardown_drains_first_and_removes_the_cluster_only(stage: Stage) -> None:
    played = stage.play("k8s/bin/teardown")
    assert played.code == 0, played.said
    drained = played.lines.index(f"{KUBE} scale deployment/bank-stream --replicas=0")
    stack = next(n for n, line in enumerate(played.lines) if line.startswith("aws cloudformation deploy"))
    (commands,) = [n for n, line in enumerate(played.lines) if line.startswith(f"{KUBE} delete cronjob,job ")]
    (gone,) = [n for n, line in enumerate(played.lines) if "--for=delete pod" in line and "=operator" in line]
    assert drained < commands < gone < stack, "nothing is in the security group that goes with the stack"
    assert drained < stack < played.lines.index("eksctl delete cluster --name Spark --wait")
    assert "OidcProvider= VpcId= ClusterSecurityGroup= PodExecutionRole=" in played.lines[stack]
    assert not [line for line in played.lines if re.search(r"delete-stack|delete-table|delete-stream|rds ", line)]


def test_a_teardown_that_is_told_to_goes_on_without_a_service_to_drain(stage: Stage) -> None:
    gone = [(f"{KUBE} scale", "", 1)]
    assert stage.play("k8s/bin/teardown", answers=gone).code == 1
    told = stage.play("k8s/bin/teardown", answers=gone, environment={"FORCE": "yes"})
    assert told.code == 0, told.said


def test_what_outlives_a_teardown_is_retained_by_the_stack() -> None:
    text = re.sub(r"!(\w+)", "", (K8S / "infrastructure.yaml").read_text())
    resources = yaml.safe_load(text)["Resources"]
    kept = {name for name, one in resources.items() if one.get("DeletionPolicy") == "Retain"}
    assert kept == {"Stream", "Leases", "Letters", "Repository"}
