"""`python -m loan_scoring`: models, reports, the table, and taking over an old one. Without Spark."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import boto3
import pyarrow as pa  # type: ignore[import-untyped]
import pytest
from pyspark.sql import SparkSession
from typer.testing import CliRunner

from loan_scoring.__main__ import app
from loan_scoring.drift import ENOUGH
from loan_scoring.features import FEATURES
from loan_scoring.hive_view import ensure_view
from loan_scoring.names import HIVE_VIEW, PREDICTIONS
from loan_scoring.registry import Registry
from loan_scoring.table import COLUMNS, TABLE
from pipeline.lake.lake import Lake
from pipeline.lake.table import ensure
from tests.loans.models import promoted

NOW = datetime.now(UTC)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("LAKE_URI", str(tmp_path / "warehouse"))
    monkeypatch.setenv("LAKE_CATALOG", f"jdbc:sqlite:{tmp_path}/catalog.db")
    return tmp_path


def lake(place: Path) -> Lake:
    return Lake(f"{place}/warehouse", f"jdbc:sqlite:{place}/catalog.db")


def ran(*arguments: str, code: int = 0) -> Any:
    """The command's answer, as JSON where it is some, else its text."""
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == code, (result.output, result.exception)
    try:
        return json.loads(result.stdout)
    except ValueError:
        return result.output


def row(number: int, version: str, **changes: Any) -> dict[str, Any]:
    features = dict.fromkeys(FEATURES, 0.0) | {"dti": 20.0, "term": 36.0}
    made = {
        "application_id": f"A-{number}",
        "member_id": number,
        "data": 0.9 if number % 3 else 0.4,
        "challenger": 0.8,
        "status": "success",
        "reasons": ["dti"],
        "model_version": version,
        "applied_at": NOW - timedelta(days=number % 2),
        "scored_at": NOW,
        "features": features,
        "applicant_group": "a" if number % 2 else "b",
    }
    return {name: {**made, **changes}.get(name) for name in COLUMNS.names}


def fill(place: Path, rows: list[dict[str, Any]]) -> None:
    ensure(lake(place), [TABLE])
    table = lake(place).catalog().load_table(PREDICTIONS)
    table.append(pa.Table.from_pylist(rows, schema=COLUMNS))


def test_a_model_is_trained_judged_promoted_and_told_of(place: Path) -> None:
    trained = ran("train", "--made", "6000", "--json")
    version = trained["version"]
    assert trained["figures"]["auc"] > 0.6
    (listed,) = ran("versions", "--json")
    assert (listed["version"], listed["champion"]) == (version, False)
    assert f"version {version} is the champion" in ran("promote", version)
    assert ran("versions", "--json")[0]["champion"] is True
    judged = ran("evaluate", "--made", "6000", "--json")
    assert judged["version"] == version
    assert abs(judged["figures"]["auc"] - trained["figures"]["auc"]) < 0.05
    assert f"# Model card: version {version}" in ran("card")
    assert "no version" not in ran("evaluate", version, "--made", "2000")


def test_what_cannot_be_done_is_said_in_a_line(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "no version has been promoted" in ran("evaluate", "--made", "1000", code=2)
    assert "version abc is not in the registry: nothing was changed" in ran("promote", "abc", code=1)
    assert "there is no table of predictions yet" in ran("table", code=2)
    assert "there is no table of predictions yet" in ran("report", code=2)
    assert "No such file" in ran("train", "--data", str(place / "nowhere.csv"), code=1)
    monkeypatch.delenv("MODELS")
    assert "MODELS" in ran("versions", code=2)


def test_a_version_that_was_spoiled_is_listed_as_what_it_is(place: Path) -> None:
    version = promoted(Registry(str(place / "models")))
    (place / "models" / "versions" / version / "scorecard.json").write_text("{}")
    assert "hash" in ran("versions", "--json")[0]["unfit"]
    assert f"version {version} is not what it was trained as" in ran("card", code=1)


def test_a_report_tells_days_and_versions_draws_them_and_finds_what_has_to_be_looked_at(place: Path) -> None:
    version = promoted(Registry(str(place / "models")))
    fill(place, [row(number, version) for number in range(2 * ENOUGH)])
    out = place / "report"
    told = ran("report", "--json", "--out", str(out), code=1)
    assert [(day["drift"]["rows"], day["version"]) for day in told["days"]] == [(ENOUGH, version)] * 2
    assert all("features have moved" in day["findings"] for day in told["days"])
    assert (out / "report.png").stat().st_size > 20_000
    assert len(json.loads((out / "report.json").read_text())) == 2
    outcomes = place / "ended.csv"
    ended = [f"A-{number},{int(number % 3 > 0)}" for number in range(0, 2 * ENOUGH, 2)]
    outcomes.write_text("application_id,paid\n" + "\n".join([*ended, "unknown,1"]) + "\n")
    (judged,) = ran("report", "--json", "--outcomes", str(outcomes), code=1)["outcomes"]
    assert (judged["loans"], judged["auc"], judged["challenger_auc"]) == (ENOUGH, 1.0, 0.5)
    outcomes.write_text("application_id,paid\nA-1,yes\n")
    assert "needs the columns application_id and paid" in ran("report", "--outcomes", str(outcomes), code=1)


def test_the_table_is_described_by_day_and_snapshot(place: Path) -> None:
    fill(place, [row(number, "v") for number in range(10)])
    fill(place, [row(number, "v") for number in range(10, 20)])
    told = ran("table", "--json")
    assert [(day["rows"], day["files"]) for day in told["days"]] == [(10, 2), (10, 2)]
    assert [(one["added"], one["rows"]) for one in told["snapshots"]] == [(10, 10), (10, 20)]
    assert "20 rows in 4 files; 2 snapshots" in ran("table")


def _old(place: Path, *lines: str, name: str = "part-00000", folder: str = "old") -> Path:
    path = place / folder / "batch=1"
    path.mkdir(parents=True, exist_ok=True)
    (path / name).write_text("".join(f"{line}\n" for line in lines))
    (place / folder / "_SUCCESS").touch()
    (path / f".{name}.crc").write_bytes(b"\xff")
    return place / folder


def _line(*fields: str) -> str:
    return "\x01".join(fields)


def test_an_old_table_is_taken_over_once(place: Path) -> None:
    old = _old(place, _line("65000", "0.713", "5000", "7", "success"), _line(r"\N", "0.2", r"\N", "8", "failed"))
    _old(place, _line("1", "1", "1", "9", "success"), name="part-00001")
    assert "3 rows taken over" in ran("takeover", str(old), "--yes")
    assert "they are there already" in ran("takeover", str(old), "--yes")
    rows = lake(place).catalog().load_table(PREDICTIONS).scan().to_arrow().to_pylist()
    found = sorted((row["member_id"], row["annual_inc"], row["funded_amnt"], row["status"]) for row in rows)
    assert found == [(7, 65_000, 5_000, "success"), (8, None, None, "failed"), (9, 1, 1, "success")]
    assert {row["model_version"] for row in rows} == {"taken over"}
    assert all(row["application_id"].startswith("place:hive:") for row in rows)
    assert sorted(row["data"] for row in rows) == pytest.approx([0.2, 0.713, 1.0])
    _old(place, _line("1", "1", "1", "10", "success"), name="part-00002")
    assert "has changed since" in ran("takeover", str(old), "--yes", code=1)


def test_a_line_that_is_no_row_stops_it_all_unless_it_may_be_kept_apart(place: Path) -> None:
    good = _line("1", "0.5", "1", "9", "success")
    old = _old(place, good, _line("1", "0.5"), _line("x", "0.5", "1", "9", "s"), _line("1", "7", "1", "9", "s"))
    said = ran("takeover", str(old), "--yes", code=2)
    assert "3 lines are no rows, the first is batch=1/part-00000:2 (2 columns, not 5)" in said
    assert "nothing was changed" in said
    rest = place / "rest"
    assert "1 rows taken over" in ran("takeover", str(old), "--yes", "--rest", str(rest))
    assert len(rest.read_text().splitlines()) == 3
    (place / "empty").mkdir()
    assert "there are no files in it" in ran("takeover", str(place / "empty"), "--yes", code=1)


def test_other_delimiters_are_read(place: Path) -> None:
    old = _old(place, "\t".join(("1", "0.5", "1", "9", "success")))
    assert "1 rows taken over" in ran("takeover", str(old), "--yes", "--delimiter", r"\t")


def test_where_the_catalog_is_glue_the_old_columns_are_a_view_of_glue_s_own(own_moto: str) -> None:
    boto3.client("s3", endpoint_url=own_moto).create_bucket(Bucket="loans")
    there = Lake("s3://loans/warehouse", "glue", region="us-east-1", endpoint=own_moto)
    ensure(there, [TABLE])
    for _ in range(2):
        ensure_view(there, cast(SparkSession, None))
    glue = boto3.client("glue", endpoint_url=own_moto)
    database, _, name = HIVE_VIEW.partition(".")
    view = glue.get_table(DatabaseName=database, Name=name)["Table"]
    assert view["TableType"] == "VIRTUAL_VIEW"
    assert (
        view["ViewOriginalText"] == "SELECT annual_inc, data, funded_amnt, member_id, status FROM lending.predictions"
    )
    columns = {column["Name"]: column["Type"] for column in view["StorageDescriptor"]["Columns"]}
    wanted = {"annual_inc": "int", "data": "float", "funded_amnt": "int", "member_id": "int", "status": "string"}
    assert columns == wanted
    assert tables_of(there) == [PREDICTIONS]


def tables_of(there: Lake) -> list[str]:
    """The tables that readers of Iceberg find: the view is none of them."""
    return [".".join(name) for name in there.catalog().list_tables("lending")]
