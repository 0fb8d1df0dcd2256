"""The Deployments, against a cluster that behaves: owners, conflicts, slow starts, refusals, silence."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestration import deployments
from orchestration.deployments import Deployments
from orchestration.tests.cluster import CLOSE, NEVER, READY_AFTER, SEEN_AFTER, Cluster, lead_to, running
from pipeline.runtime.errors import Halted, Transient


@pytest.fixture
def kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    monkeypatch.setattr(deployments, "LOOK", 0.02)
    monkeypatch.setattr(deployments, "PATIENCE", 1.0)
    return tmp_path / "kubeconfig"


@pytest.fixture
def cluster(kubeconfig: Path) -> Iterator[Cluster]:
    with running(kubeconfig) as cluster:
        yield cluster


@pytest.fixture
def ours(cluster: Cluster) -> Deployments:
    return Deployments("market")


def test_one_that_is_started_is_waited_for_until_its_pod_is_ready(cluster: Cluster, ours: Deployments) -> None:
    cluster.deployments["candles"].ready_after = NEVER
    ours.scale("candles", 1)
    assert not ours.look("candles").ready
    cluster.deployments["candles"].ready_after = READY_AFTER
    ours.wait_until_ready(["candles"], 5)
    assert ours.look("candles").ready
    assert cluster.replicas() == {"candles": 1, "dashboard": 0, "feed": 0}


def test_one_whose_change_was_not_seen_yet_is_neither_ready_nor_stopped(cluster: Cluster, ours: Deployments) -> None:
    ours.scale("candles", 1)
    ours.wait_until_ready(["candles"], 5)
    cluster.deployments["candles"].seen_after = NEVER
    ours.scale("candles", 0)
    found = ours.look("candles")
    assert (found.ready, found.gone) == (False, False)
    cluster.deployments["candles"].seen_after = SEEN_AFTER
    ours.stop(["candles"], 5)
    found = ours.look("candles")
    assert (found.ready, found.gone) == (False, True)


def test_the_number_of_replicas_is_owned_so_that_others_are_told_of_a_conflict(
    cluster: Cluster, ours: Deployments
) -> None:
    ours.scale("candles", 1)
    assert cluster.deployments["candles"].owners == {"market-day": 1}
    ours.scale("candles", 1)
    assert cluster.deployments["candles"].generation == 2, "the same again changes nothing"


def test_one_that_does_not_become_ready_is_told_of_with_what_the_cluster_says(
    cluster: Cluster, ours: Deployments
) -> None:
    cluster.deployments["candles"].trouble = "quota exceeded"
    ours.scale("candles", 1)
    with pytest.raises(Transient, match=r"candles is not ready after [\d.]+ s: quota exceeded"):
        ours.wait_until_ready(["candles"], 0.2)


@pytest.mark.parametrize("status", [409, 429, 500, 503, CLOSE])
def test_what_passes_is_tried_again(cluster: Cluster, ours: Deployments, status: int) -> None:
    cluster.refuses("patch", "feed", status, status)
    ours.scale("feed", 1)
    assert cluster.replicas()["feed"] == 1
    assert cluster.asked.count(("patch", "feed")) >= 3


@pytest.mark.parametrize("status", [401, 403, 404, 422])
def test_what_only_people_mend_is_not_tried_again(cluster: Cluster, ours: Deployments, status: int) -> None:
    cluster.refuses("patch", "feed", status)
    with pytest.raises(Halted, match=rf"could not scale feed to 1: the cluster says {status} \(told to fail\)"):
        ours.scale("feed", 1)
    assert cluster.asked == [("patch", "feed")]


def test_what_does_not_pass_is_given_up_after_a_while(cluster: Cluster, ours: Deployments) -> None:
    cluster.refuses("patch", "feed", *[500] * 1000)
    with pytest.raises(Transient, match=r"could not scale feed to 1: the cluster says 500 .*, tried for 1 s"):
        ours.scale("feed", 1)


def test_a_cluster_that_is_away_is_named(kubeconfig: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        lead_to(nobody.getsockname()[1], kubeconfig)
        with pytest.raises(Transient, match=r"could not look at feed: the cluster does not answer \(\w+\), tried for"):
            Deployments("market").look("feed")


def test_without_a_cluster_it_says_what_is_missing(kubeconfig: Path) -> None:
    with pytest.raises(Halted, match="could not find the cluster"):
        Deployments("market")


def test_no_more_is_asked_for_than_the_role_of_the_manifests_allows(cluster: Cluster, ours: Deployments) -> None:
    for rule in cluster.rules:
        rule["resourceNames"] = ["candles"]
    ours.scale("candles", 1)
    with pytest.raises(Halted, match='"feed" is forbidden'):
        ours.scale("feed", 1)
    with pytest.raises(Halted, match='"feed" is forbidden'):
        ours.look("feed")
    with pytest.raises(Halted, match='"settings" is forbidden'):
        ours.settings()


def test_all_are_stopped_although_one_cannot_be(cluster: Cluster, ours: Deployments) -> None:
    for name in ("candles", "dashboard", "feed"):
        ours.scale(name, 1)
    cluster.refuses("patch", "feed", 403)
    with pytest.raises(Halted, match="could not scale feed to 0"):
        ours.stop(["feed", "candles", "dashboard"], 5)
    assert cluster.replicas() == {"candles": 0, "dashboard": 0, "feed": 1}


def test_one_whose_pod_stays_is_not_taken_for_stopped(cluster: Cluster, ours: Deployments) -> None:
    ours.scale("candles", 1)
    ours.wait_until_ready(["candles"], 5)
    cluster.deployments["candles"].stuck = True
    ours.scale("feed", 1)
    with pytest.raises(Transient, match=r"^candles is not stopped after 0\.2 s"):
        ours.stop(["candles", "feed"], 0.2)
    assert [name for name, replicas, _ in cluster.scaled if not replicas] == ["candles", "feed"]
    assert ours.look("feed").gone
