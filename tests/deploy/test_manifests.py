"""The manifests: what Kubernetes takes, what Fargate has, and numbers that have to agree with one another."""

from __future__ import annotations

import re
import zipfile
from importlib.util import find_spec
from pathlib import Path

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml

from bank_stream.settings import Settings
from pipeline.dstream import cluster
from pipeline.observability.liveness import LONGEST_BATCH
from tests.deploy.manifests import (
    GIB,
    K8S,
    MIB,
    Manifest,
    bytes_of,
    driver,
    environment,
    executor,
    kustomized,
    overlay,
    scraped,
    seconds_of,
    spark_defaults,
    the,
)

OVERLAYS = ["fargate", "local"]
VERSIONS = ["1.33", "1.34", kubernetes_validate.latest_version()]
OF_OTHERS = {"SecurityGroupPolicy"}
"""Kinds of AWS' own, which Kubernetes' schemas do not have."""
FARGATE = {0.25: range(1, 3), 0.5: range(1, 5), 1: range(2, 9), 2: range(4, 17), 4: range(8, 31)}
"""vCPU → GiB that a pod of Fargate may have with them (0.25 with half a GiB as well)."""
FOR_KUBELET = 256 * MIB
JARS = ["core", "kubernetes", "network-common", "streaming"]
NOT_ON_FARGATE = {"DaemonSet", "NetworkPolicy", "SecretProviderClass", "PodIdentityAssociation"}


@pytest.fixture(params=OVERLAYS)
def manifests(request: pytest.FixtureRequest) -> tuple[Manifest, ...]:
    return overlay(request.param)


def pods(manifests: tuple[Manifest, ...]) -> dict[str, Manifest]:
    """Every pod that may come of the manifests."""
    (job,) = kustomized(K8S / "job")
    return {
        "driver": driver(manifests),
        "command": job["spec"]["template"]["spec"],
        "audit": audit(manifests)["spec"],
        "executor": executor(manifests)["spec"],
    }


def audit(manifests: tuple[Manifest, ...]) -> Manifest:
    """The template of the daily audit's pod."""
    job: Manifest = the("CronJob", "bank-stream-audit", manifests)["spec"]["jobTemplate"]
    return dict(job["spec"]["template"])


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_takes_every_manifest(manifests: tuple[Manifest, ...], version: str) -> None:
    ours = [one for one in manifests if one["kind"] not in OF_OTHERS]
    assert len(manifests) - len(ours) == len({one["kind"] for one in manifests} & OF_OTHERS)
    for one in [*ours, *kustomized(K8S / "job"), *kustomized(K8S / "logging"), executor(manifests)]:
        kubernetes_validate.validate(one, version, strict=True)


def test_a_misspelt_field_is_not_taken() -> None:
    wrong = {**the("Deployment", "bank-stream", overlay("fargate")), "spek": {}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSIONS[0], strict=True)


def test_drain_times_respect_each_other(manifests: tuple[Manifest, ...]) -> None:
    pod = driver(manifests)
    (hooks,) = environment(pod["containers"][0])["SPARK_SUBMIT_OPTS"].split()
    name, shutdown = hooks.split("=")
    assert name == "-Dspark.shutdown.timeout"
    chain = [
        LONGEST_BATCH,
        seconds_of(spark_defaults(manifests)["spark.streaming.gracefulStopTimeout"]),
        seconds_of(shutdown),
        pod["terminationGracePeriodSeconds"],
        the("Deployment", "bank-stream", manifests)["spec"]["progressDeadlineSeconds"],
    ]
    assert chain == sorted(set(chain))


def test_no_pod_may_more_than_it_needs(manifests: tuple[Manifest, ...]) -> None:
    accounts = {"command": "operator", "audit": "operator"}
    for name, pod in pods(manifests).items():
        # Spark names the executors' account itself.
        assert pod.get("serviceAccountName", "executor") == accounts.get(name, name)
        assert (pod["securityContext"]["runAsNonRoot"], pod["securityContext"]["runAsUser"]) == (True, 185)
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        (container,) = pod["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container.get("command") == (None if name == "executor" else ["/usr/bin/tini", "--"])
        assert "/tmp" in {mount["mountPath"] for mount in container["volumeMounts"]}
        kinds = {name: kind for volume in pod["volumes"] for name, kind in volume.items() if name != "name"}
        assert set(kinds) <= {"emptyDir", "configMap"}


def test_the_driver_may_manage_pods_in_its_namespace_and_nothing_else(manifests: tuple[Manifest, ...]) -> None:
    rules = [rule for one in manifests if one["kind"] in ("Role", "ClusterRole") for rule in one["rules"]]
    verbs = ["get", "list", "watch", "create", "delete", "deletecollection"]
    assert rules == [{"apiGroups": [""], "resources": ["pods"], "verbs": verbs}]
    assert the("RoleBinding", "driver", manifests)["subjects"] == [
        {"kind": "ServiceAccount", "name": "driver", "namespace": "bank-stream"}
    ]
    mounted = {
        one["metadata"]["name"]: one["automountServiceAccountToken"]
        for one in manifests
        if one["kind"] == "ServiceAccount"
    }
    assert mounted == {"driver": True, "executor": False, "operator": False}
    assert spark_defaults(manifests)["spark.kubernetes.authenticate.executor.serviceAccountName"] == "executor"


def test_what_fargate_has_not_is_not_used() -> None:
    assert not {one["kind"] for one in overlay("fargate")} & NOT_ON_FARGATE


def test_every_pod_fills_a_size_of_fargate_and_asks_for_what_it_gets() -> None:
    manifests = overlay("fargate")
    data = the("ConfigMap", "settings", manifests)["data"]
    overhead = bytes_of(spark_defaults(manifests)["spark.executor.memoryOverhead"])
    sizes = {"executor": (float(data["NUM_CORES"]), bytes_of(data["EXECUTOR_MEMORY"]) + overhead)}
    for name, pod in pods(manifests).items():
        if name != "executor":
            resources = pod["containers"][0]["resources"]
            assert resources["requests"] == resources["limits"]
            cpu = resources["limits"]["cpu"]
            cores = float(cpu.removesuffix("m")) / 1000 if cpu.endswith("m") else float(cpu)
            sizes[name] = cores, bytes_of(resources["limits"]["memory"])
    for cores, memory in sizes.values():
        assert (memory + FOR_KUBELET) / GIB in FARGATE[cores]
    assert bytes_of(data["DRIVER_MEMORY"]) + GIB == sizes["driver"][1], "k8s/bin/render keeps a GiB beside the heap"


def test_every_setting_of_the_manifests_is_one_of_the_service(manifests: tuple[Manifest, ...], tmp_path: Path) -> None:
    data = dict(the("ConfigMap", "settings", manifests)["data"])
    container = driver(manifests)["containers"][0]
    own = {name: value for name, value in environment(container).items() if name in ("METRICS_PORT", "SPARK_MASTER")}
    known = {str(field.alias) for field in Settings.model_fields.values()}
    assert {*data, *own} - known <= {"AWS_ENDPOINT_URL"}
    (tmp_path / "ca.pem").touch()
    given = {"MYSQL_LOC": "jdbc:mysql://db/bytecrunchers", "MYSQL_SECRET_ID": "x", "MYSQL_SSL_CA": f"{tmp_path}/ca.pem"}
    settings = Settings.read({**data, **own, **given})
    assert settings.metrics_port == 8080
    assert cluster.options(settings)["spark.streaming.dynamicAllocation.maxExecutors"] == data["MAX_EXECUTORS"]


def test_executors_run_the_drivers_image(manifests: tuple[Manifest, ...]) -> None:
    container = driver(manifests)["containers"][0]
    assert container["image"] == environment(container)["IMAGE"]
    assert "--conf spark.kubernetes.container.image=$(IMAGE)" in environment(container)["PYSPARK_SUBMIT_ARGS"]


def test_executors_find_the_driver(manifests: tuple[Manifest, ...]) -> None:
    options = spark_defaults(manifests)
    ports = {int(options["spark.driver.port"]), int(options["spark.driver.blockManager.port"]), 8080}
    container = driver(manifests)["containers"][0]
    service = the("Service", "driver", manifests)["spec"]
    assert {port["port"] for port in service["ports"]} == ports
    assert {port["containerPort"] for port in container["ports"]} == ports
    assert service["clusterIP"] == "None"
    assert service["publishNotReadyAddresses"] is True
    labels = the("Deployment", "bank-stream", manifests)["spec"]["template"]["metadata"]["labels"]
    assert service["selector"].items() <= labels.items()
    assert "--conf spark.driver.host=$(POD_IP)" in environment(container)["PYSPARK_SUBMIT_ARGS"]
    assert options["spark.kubernetes.namespace"] == the("Namespace", "bank-stream", manifests)["metadata"]["name"]


def test_prometheus_asks_every_driver_on_its_port(manifests: tuple[Manifest, ...]) -> None:
    job = scraped("bank-stream")
    (keep,) = job["relabel_configs"]
    name, port = keep["regex"].split(";")
    service = the("Service", name, manifests)
    assert 8080 in [one["port"] for one in service["spec"]["ports"] if one["name"] == port]
    assert job["kubernetes_sd_configs"][0]["namespaces"]["names"] == [service["metadata"]["namespace"]]


def test_executors_of_two_runs_never_share_a_name(manifests: tuple[Manifest, ...]) -> None:
    """Numbered from 1 in each run: with one prefix for all, a standby could make none beside those of the leader."""
    assert "spark.kubernetes.executor.podNamePrefix" not in spark_defaults(manifests)
    assert "podNamePrefix" not in environment(driver(manifests)["containers"][0])["PYSPARK_SUBMIT_ARGS"]


def test_the_files_that_spark_is_pointed_at_are_mounted(manifests: tuple[Manifest, ...]) -> None:
    container = driver(manifests)["containers"][0]
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert environment(container)["SPARK_CONF_DIR"] == mounts["spark"]
    template = spark_defaults(manifests)["spark.kubernetes.executor.podTemplateFile"]
    assert template == f"{mounts['spark']}/executor.yaml"
    (named,) = executor(manifests)["spec"]["containers"]
    assert named["name"] == spark_defaults(manifests)["spark.kubernetes.executor.podTemplateContainerName"]
    assert named["workingDir"] in {mount["mountPath"] for mount in named["volumeMounts"]}


def test_rpc_is_authenticated_and_encrypted(manifests: tuple[Manifest, ...]) -> None:
    options = spark_defaults(manifests)
    assert options["spark.authenticate"] == options["spark.network.crypto.enabled"] == "true"
    assert options["spark.network.crypto.cipher"] == "AES/GCM/NoPadding"


def test_every_option_is_one_that_spark_knows(manifests: tuple[Manifest, ...]) -> None:
    home = find_spec("pyspark")
    assert home is not None
    assert home.origin is not None
    jars = Path(home.origin).parent / "jars"
    known = b""
    for jar in sorted(path for name in JARS for path in jars.glob(f"spark-{name}_*.jar")):
        with zipfile.ZipFile(jar) as classes:
            wanted = [name for name in classes.namelist() if re.search(r"/config/|/\w*Conf(ig)?\W", name)]
            known += b"".join(classes.read(name) for name in wanted)
    given = {"MYSQL_LOC": "mysql://u:p@db/x", "AWS_DEFAULT_REGION": "us-east-1", "MAX_EXECUTORS": "2"}
    ours = cluster.options(Settings.read({**given, "NUM_CORES": "2", "EXECUTOR_MEMORY": "1g", "DRIVER_MEMORY": "1g"}))
    unknown = {name for name in {**spark_defaults(manifests), **ours} if name.encode() not in known}
    # Put together from a prefix and a rest.
    assert unknown == {"spark.kubernetes.authenticate.executor.serviceAccountName"}
    assert b"spark.kubernetes.authenticate.executor" in known
    assert b".serviceAccountName" in known


def test_a_standby_is_a_second_driver(tmp_path: Path) -> None:
    here = "/".join([".."] * (len(tmp_path.parts) - 1) + [str(K8S.relative_to("/"))])
    wanted = {"resources": [f"{here}/overlays/fargate"], "components": [f"{here}/components/standby"]}
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(wanted))
    manifests = kustomized(tmp_path)
    drivers = the("Deployment", "bank-stream", manifests)["spec"]
    assert drivers["replicas"] == 2
    budget = the("PodDisruptionBudget", "bank-stream", manifests)
    for version in VERSIONS:
        kubernetes_validate.validate(budget, version, strict=True)
    assert budget["metadata"]["namespace"] == "bank-stream"
    assert budget["spec"]["maxUnavailable"] == 1, "neither both at once, nor for ever none"
    chosen = budget["spec"]["selector"]["matchLabels"].items()
    assert chosen <= drivers["template"]["metadata"]["labels"].items()
    assert not chosen <= executor(tuple(manifests))["metadata"]["labels"].items()
    assert not [one for one in overlay("fargate") if one["kind"] == "PodDisruptionBudget"]


def test_the_clusters_profiles_take_every_pod() -> None:
    profiles = yaml.safe_load((K8S / "cluster.yaml").read_text())["fargateProfiles"]
    (selector,) = next(profile["selectors"] for profile in profiles if profile["name"] == "bank-stream")
    manifests = overlay("fargate")
    (job,) = kustomized(K8S / "job")
    labels = [
        the("Deployment", "bank-stream", manifests)["spec"]["template"]["metadata"]["labels"],
        job["spec"]["template"]["metadata"]["labels"],
        audit(manifests)["metadata"]["labels"],
        executor(manifests)["metadata"]["labels"],
    ]
    assert all(selector["labels"].items() <= one.items() for one in labels)
    policy = the("SecurityGroupPolicy", "bank-stream", manifests)["spec"]["podSelector"]["matchLabels"]
    assert all(policy.items() <= one.items() for one in labels)
    assert {selector["namespace"]} == {one["metadata"]["namespace"] for one in manifests if one["kind"] != "Namespace"}
