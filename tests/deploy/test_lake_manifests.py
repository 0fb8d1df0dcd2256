"""The manifests that keep the lakehouse's tables small."""

from __future__ import annotations

from functools import cache

import kubernetes_validate  # type: ignore[import-untyped]
import pytest

from loan_scoring.settings import LoanSettings
from page_views.settings import ViewSettings
from pipeline.__main__ import app
from pipeline.settings.group import SettingsGroup
from tests.deploy.manifests import GIB, K8S, Manifest, bytes_of, kustomized, the
from tests.deploy.test_manifests import VERSIONS

OF_SPARK = {"SPARK_LOCAL_DIRS"}
JOBS: dict[str, type[SettingsGroup]] = {"loan-scoring-tables": LoanSettings, "page-views-tables": ViewSettings}


@cache
def manifests() -> tuple[Manifest, ...]:
    return tuple(kustomized(K8S / "lake"))


def pod(name: str) -> Manifest:
    found: Manifest = the("CronJob", name, manifests())["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    return found


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_takes_every_manifest(version: str) -> None:
    for one in manifests():
        kubernetes_validate.validate(one, version, strict=True)


@pytest.mark.parametrize("job", JOBS)
def test_tables_are_maintained_each_hour_by_one_job_at_a_time(job: str) -> None:
    spec = the("CronJob", job, manifests())["spec"]
    assert spec["schedule"].split()[1:] == ["*"] * 4
    assert spec["concurrencyPolicy"] == "Forbid"
    assert spec["jobTemplate"]["spec"]["activeDeadlineSeconds"] < 3600
    (container,) = pod(job)["containers"]
    assert f"{container['args'][3]}-tables" == job
    assert container["args"][:3] == ["python", "-m", "pipeline"]
    service, command = container["args"][3:]
    commands = next(group for group in app().registered_groups if group.name == service).typer_instance
    assert commands is not None
    names = {
        (one.name or (one.callback.__name__ if one.callback else "")).replace("_", "-")
        for one in commands.registered_commands
    }
    assert command in names


def test_jobs_do_not_begin_in_the_same_minute() -> None:
    minutes = [the("CronJob", job, manifests())["spec"]["schedule"].split()[0] for job in JOBS]
    assert len(set(minutes)) == len(JOBS)


@pytest.mark.parametrize("job", JOBS)
def test_the_job_writes_nowhere_but_to_its_own_folder_and_knows_no_secret_by_itself(job: str) -> None:
    spec = pod(job)
    (container,) = spec["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert [mount["mountPath"] for mount in container["volumeMounts"]] == ["/tmp"]
    assert {variable["name"] for variable in container["env"]} <= {*map(str.upper, JOBS[job].model_fields)} | OF_SPARK
    assert [list(source) for source in container["envFrom"]] == [["configMapRef"], ["secretRef"]]
    limits = container["resources"]["limits"]
    assert bytes_of(limits["memory"]) >= 2 * GIB
    assert spec["serviceAccountName"] == the("ServiceAccount", "lake-maintenance", manifests())["metadata"]["name"]
