"""Between Spark's processes nothing goes in clear unless somebody has allowed that."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.console.finding import Finding, State
from pipeline.operations.check.spark import check_spark
from pipeline.runtime.errors import Halted
from pipeline.settings.spark import SparkSettings
from pipeline.spark.secrecy import ENCRYPTED, SECRET, is_in_clear, secrecy

ALONE = "spark://127.0.0.1:7077"
K8S = "k8s://https://kubernetes.default.svc:443"


@pytest.mark.parametrize(
    ("options", "clear"),
    [
        ({}, False),
        ({"spark.master": "local[4]"}, False),
        ({"spark.master": ALONE}, True),
        ({"spark.master": ALONE, SECRET: "s"}, False),
        ({"spark.master": ALONE, SECRET: "s", "spark.authenticate": "false"}, True),
        ({"spark.master": ALONE, SECRET: "s", "spark.network.crypto.enabled": "false"}, True),
        ({"spark.master": ALONE, "spark.ssl.rpc.enabled": "true"}, False),
        ({"spark.master": K8S}, False),
        ({"spark.master": "yarn"}, False),
        ({"spark.master": K8S, "spark.network.crypto.enabled": "FALSE"}, True),
        (
            {
                "spark.master": K8S,
                "spark.network.crypto.enabled": "false",
                "spark.authenticate.enableSaslEncryption": "true",
            },
            False,
        ),
    ],
)
def test_what_the_service_adds_to_the_options_keeps_them_secret_or_it_is_noticed(
    options: dict[str, str], clear: bool
) -> None:
    assert is_in_clear({**secrecy(options), **options}) == clear


def test_without_a_secret_a_standalone_cluster_cannot_be_asked_to_authenticate() -> None:
    assert secrecy({"spark.master": ALONE}) == {}
    assert secrecy({"spark.master": ALONE, SECRET: "s"}) == secrecy({"spark.master": K8S}) == ENCRYPTED


def found(environ: dict[str, str]) -> Finding:
    (finding,) = check_spark(SparkSettings.read(environ), environ)
    return finding


def test_check_tells_what_the_start_would_do(tmp_path: Path) -> None:
    assert found({}).text == "local[*]: on this machine"
    assert found({"SPARK_MASTER": K8S}).state == State.ok
    refused = found({"SPARK_MASTER": ALONE})
    assert refused.state == State.fail and "SPARK_ALLOW_PLAINTEXT" in refused.remedy and SECRET in refused.remedy
    assert found({"SPARK_MASTER": ALONE, "SPARK_ALLOW_PLAINTEXT": "true"}).state == State.warn
    defaults = tmp_path / "spark-defaults.conf"
    for line in (f"{SECRET} s", f"  {SECRET}=s", f"{SECRET} : s", f"# nothing\n{SECRET}\ts"):
        defaults.write_text(line)
        assert found({"SPARK_MASTER": ALONE, "SPARK_CONF_DIR": str(tmp_path)}).state == State.ok, line
    defaults.write_text(f"# {SECRET} s")
    assert found({"SPARK_MASTER": ALONE, "SPARK_CONF_DIR": str(tmp_path)}).state == State.fail
    arguments = f"--master {ALONE} --conf '{SECRET}=s s' pyspark-shell"
    assert found({"PYSPARK_SUBMIT_ARGS": arguments}).text == f"{ALONE}: authenticated and encrypted"
    assert found({"PYSPARK_SUBMIT_ARGS": f"--master {ALONE} pyspark-shell"}).state == State.fail


def test_check_names_what_it_cannot_read(tmp_path: Path) -> None:
    (tmp_path / "spark-defaults.conf").write_bytes(b"\xff\xfe")
    with pytest.raises(Halted, match=r"spark-defaults\.conf: UnicodeDecodeError"):
        found({"SPARK_CONF_DIR": str(tmp_path)})
    with pytest.raises(Halted, match="PYSPARK_SUBMIT_ARGS: No closing quotation"):
        found({"PYSPARK_SUBMIT_ARGS": "--conf 'open"})
