"""The manifests of the market's trading day: candles, feed and dashboard, and who scales them."""

from __future__ import annotations

import re
from functools import cache

import kubernetes_validate  # type: ignore[import-untyped]
import pytest

from market.dashboard.settings import DashboardSettings
from market.feed.settings import FeedSettings
from market.settings import CandleSettings
from pipeline.observability.liveness import LONGEST_BATCH, LONGEST_START
from pipeline.settings.group import SettingsGroup
from tests.deploy.manifests import GIB, K8S, Manifest, bytes_of, environment, kustomized, scraped, seconds_of, the
from tests.deploy.test_manifests import FARGATE, FOR_KUBELET, VERSIONS

NAMES = ["candles", "dashboard", "feed"]
SETTINGS: dict[str, type[SettingsGroup]] = {
    "candles": CandleSettings,
    "dashboard": DashboardSettings,
    "feed": FeedSettings,
}
SECRETS = {"candles": ["MONGO_URI"], "dashboard": ["MONGO_URI"], "feed": ["TWELVE_DATA_KEY"]}
OF_SPARK = {"SPARK_LOCAL_DIRS", "SPARK_SUBMIT_OPTS"}


@cache
def overlay(name: str) -> tuple[Manifest, ...]:
    return tuple(kustomized(K8S / "market" / name))


@pytest.fixture(params=["base", "local"])
def manifests(request: pytest.FixtureRequest) -> tuple[Manifest, ...]:
    return overlay(request.param)


def pod(name: str, manifests: tuple[Manifest, ...]) -> Manifest:
    found: Manifest = the("Deployment", name, manifests)["spec"]["template"]["spec"]
    return found


def container(name: str, manifests: tuple[Manifest, ...]) -> Manifest:
    (only,) = pod(name, manifests)["containers"]
    return dict(only)


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_takes_every_manifest(manifests: tuple[Manifest, ...], version: str) -> None:
    for one in manifests:
        kubernetes_validate.validate(one, version, strict=True)


def test_all_are_of_one_namespace(manifests: tuple[Manifest, ...]) -> None:
    others = [one for one in manifests if one["kind"] != "Namespace"]
    assert {one["metadata"]["namespace"] for one in others} == {
        the("Namespace", "market", manifests)["metadata"]["name"]
    }
    assert sorted(one["metadata"]["name"] for one in others if one["kind"] == "Deployment") == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_nothing_runs_until_a_trading_day_scales_it(name: str, manifests: tuple[Manifest, ...]) -> None:
    assert the("Deployment", name, manifests)["spec"]["replicas"] == 0


def test_the_trading_day_may_scale_and_look_and_read_the_settings_and_nothing_else(
    manifests: tuple[Manifest, ...],
) -> None:
    rules = [rule for one in manifests if one["kind"] in ("Role", "ClusterRole") for rule in one["rules"]]
    assert rules == [
        {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["settings"], "verbs": ["get"]},
        {"apiGroups": ["apps"], "resources": ["deployments"], "resourceNames": NAMES, "verbs": ["get"]},
        {"apiGroups": ["apps"], "resources": ["deployments/scale"], "resourceNames": NAMES, "verbs": ["patch"]},
    ]
    (binding,) = [one for one in manifests if one["kind"] in ("RoleBinding", "ClusterRoleBinding")]
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "market-day", "namespace": "market"}]
    assert the("ConfigMap", "settings", manifests)["metadata"]["name"] == "settings", "by that name it is read"


@pytest.mark.parametrize("name", NAMES)
def test_no_pod_may_more_than_it_needs(name: str, manifests: tuple[Manifest, ...]) -> None:
    of_pod, only = pod(name, manifests), container(name, manifests)
    assert of_pod["serviceAccountName"] == name
    assert the("ServiceAccount", name, manifests)["automountServiceAccountToken"] is False
    assert of_pod["automountServiceAccountToken"] is False
    security = of_pod["securityContext"]
    assert (security["runAsNonRoot"], security["runAsUser"]) == (True, 185)
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    assert only["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert only["command"] == ["/usr/bin/tini", "--"]
    assert "/tmp" in {mount["mountPath"] for mount in only["volumeMounts"]}
    kinds = {kind for volume in of_pod["volumes"] for kind in volume if kind != "name"}
    assert kinds == ({"emptyDir", "persistentVolumeClaim"} if name == "candles" else {"emptyDir"})
    assert "envFrom" in only
    assert [one["secretRef"]["name"] for one in only["envFrom"] if "secretRef" in one] == [name], "no other's secrets"


@pytest.mark.parametrize("name", NAMES)
def test_kubernetes_adds_no_variables_that_would_be_taken_for_settings(
    name: str, manifests: tuple[Manifest, ...]
) -> None:
    """Of a service `dashboard` it would make DASHBOARD_PORT=tcp://10.0.0.1:8050."""
    assert pod(name, manifests)["enableServiceLinks"] is False


def test_every_setting_is_one_of_a_service_and_enough_for_each(manifests: tuple[Manifest, ...]) -> None:
    data = dict(the("ConfigMap", "settings", manifests)["data"])
    known = {name: {str(one.alias) for one in kind.model_fields.values()} for name, kind in SETTINGS.items()}
    assert set(data) <= set().union(*known.values())
    brokers = {"KAFKA_BROKERS": "kafka:9092"} if not data["KAFKA_BROKERS"] else {}
    secrets = {"MONGO_URI": "mongodb://mongo", "TWELVE_DATA_KEY": "x"}
    for name, kind in SETTINGS.items():
        own = environment(container(name, manifests))
        assert set(own) - known[name] <= OF_SPARK
        kind.read({**data, **own, **brokers, **{secret: secrets[secret] for secret in SECRETS[name]}})


@pytest.mark.parametrize("name", NAMES)
def test_every_pod_is_probed_on_a_port_of_its_own_that_its_service_has(
    name: str, manifests: tuple[Manifest, ...]
) -> None:
    only = container(name, manifests)
    (port,) = only["ports"]
    own = environment(only)
    assert str(port["containerPort"]) == own.get("METRICS_PORT", own.get("DASHBOARD_PORT"))
    paths = [only[probe]["httpGet"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")]
    assert [one["path"] for one in paths] == ["/healthz", "/healthz", "/readyz"]
    assert {one["port"] for one in paths} == {port["name"]}
    service = the("Service", name, manifests)["spec"]
    assert [one["port"] for one in service["ports"]] == [port["containerPort"]]
    labels = the("Deployment", name, manifests)["spec"]["template"]["metadata"]["labels"]
    assert service["selector"].items() <= labels.items()
    others = [the("Deployment", other, manifests)["spec"] for other in NAMES if other != name]
    assert not [one for one in others if service["selector"].items() <= one["template"]["metadata"]["labels"].items()]


def test_prometheus_asks_what_has_metrics(manifests: tuple[Manifest, ...]) -> None:
    job = scraped("market")
    (keep,) = job["relabel_configs"]
    (namespace,) = job["kubernetes_sd_configs"][0]["namespaces"]["names"]
    services = [one for one in manifests if one["kind"] == "Service" and one["metadata"]["namespace"] == namespace]
    asked = {
        one["metadata"]["name"]
        for one in services
        for port in one["spec"]["ports"]
        if re.fullmatch(keep["regex"], f"{one['metadata']['name']};{port['name']}")
    }
    assert asked == {name for name in NAMES if "METRICS_PORT" in environment(container(name, manifests))}


def test_candles_drain_before_they_are_killed(manifests: tuple[Manifest, ...]) -> None:
    shutdown = environment(container("candles", manifests))["SPARK_SUBMIT_OPTS"].split("=")[-1]
    chain = [
        LONGEST_BATCH,
        seconds_of(shutdown),
        pod("candles", manifests)["terminationGracePeriodSeconds"],
        the("Deployment", "candles", manifests)["spec"]["progressDeadlineSeconds"],
    ]
    assert chain == sorted(set(chain))
    startup = container("candles", manifests)["startupProbe"]
    assert startup["periodSeconds"] * startup["failureThreshold"] >= LONGEST_START


@pytest.mark.parametrize("name", ["candles", "feed"])
def test_there_are_never_two_of_what_writes(name: str, manifests: tuple[Manifest, ...]) -> None:
    assert the("Deployment", name, manifests)["spec"]["strategy"] == {"type": "Recreate"}


@pytest.mark.parametrize("name", NAMES)
def test_every_pod_fills_a_size_of_fargate_and_asks_for_what_it_gets(name: str) -> None:
    resources = container(name, overlay("base"))["resources"]
    assert resources["requests"] == resources["limits"]
    cpu = resources["limits"]["cpu"]
    cores = float(cpu.removesuffix("m")) / 1000 if cpu.endswith("m") else float(cpu)
    assert (bytes_of(resources["limits"]["memory"]) + FOR_KUBELET) / GIB in FARGATE[cores]


def test_the_checkpoint_outlives_the_pod(manifests: tuple[Manifest, ...]) -> None:
    only = container("candles", manifests)
    mounts = {mount["mountPath"]: mount["name"] for mount in only["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in pod("candles", manifests)["volumes"]}
    claim = volumes[mounts[environment(only)["CHECKPOINT_DIR"]]]["persistentVolumeClaim"]["claimName"]
    assert the("PersistentVolumeClaim", claim, manifests)


@pytest.mark.parametrize("name", NAMES)
def test_one_image_is_put_in_for_all(name: str) -> None:
    assert container(name, overlay("base"))["image"] == "bank-analytics"
