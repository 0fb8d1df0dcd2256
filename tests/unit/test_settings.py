"""Settings: every problem is named at once, no secret ever, and the page about them is true."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from bank_stream.settings import Settings
from pipeline.mysql.location import MysqlLocation, parse_mysql_location
from pipeline.settings.errors import SettingsError

ROOT = Path(__file__).resolve().parents[2]
SECRETS = ("hunter2", "AKIAHIDDEN", "wJalrHidden", "p4ss", "u53r")
LEAST = {
    "MYSQL_LOC": "jdbc:mysql://db.example.org/bytecrunchers",
    "MYSQL_USER": "stream",
    "MYSQL_PASS": "hunter2",
    "AWS_DEFAULT_REGION": "us-east-1",
}


def problems(environ: dict[str, str]) -> list[str]:
    """The lines about `environ`, which hold no secret."""
    with pytest.raises(SettingsError) as raised:
        Settings.read(environ)
    text = str(raised.value)
    assert not [secret for secret in SECRETS if secret in text + repr(raised.value)]
    return [line.strip() for line in text.splitlines()[1:]]


def test_the_least_environment_gives_the_contracts_defaults() -> None:
    settings = Settings.read(LEAST)
    assert settings.mysql == MysqlLocation(
        "db.example.org", 3306, "bytecrunchers", "PREFERRED", "stream", "hunter2", None
    )
    assert (settings.stream_name, settings.consumer_name) == ("byte-henry", "cloud-consumer")
    assert settings.failover_table == "utopia-failover-HA-DynamoDB"
    assert settings.initial_position == "TRIM_HORIZON"
    assert (settings.max_records_per_shard, settings.chunk_size) == (20_000, 1_000)
    fraud = {
        name: getattr(settings, name) for name in Settings.model_fields if re.match("threshold|weight|fraud", name)
    }
    assert {name: str(value) for name, value in fraud.items()} == {
        "threshold_fraud": "1",
        "threshold_velocity": "0.3",
        "weighting_cvc": "0.2",
        "weighting_amount": "1",
        "weighting_location": "0.6",
        "weighting_velocity": "1",
        "fraud_sample_chance": "0.1",
    }
    assert {type(value) for value in fraud.values()} == {Decimal}
    aws = settings.aws()
    assert (aws.region, aws.access_key, aws.secret_key, aws.endpoints) == ("us-east-1", None, None, ())


def test_every_variable_is_read() -> None:
    given = {
        "BATCH_LENGTH": "0.5",
        "PARTITIONS": "7",
        "MAX_THREADS": "3",
        "THRESHOLD_FRAUD": "0.9",
        "WEIGHTING_CVC": "0.25",
        "FRAUD_SAMPLE_CHANCE": "0",
        "CONSUMER_NAME": "leases",
        "FAILOVER_TABLE": "letters",
        "STREAM_NAME": "stream",
        "CHUNK_SIZE": "1",
        "MAX_RECORDS_PER_SHARD": "10",
        "ACCESS_KEY": "AKIAHIDDEN",
        "SECRET_KEY": "wJalrHidden",
        "UNKNOWN": "whatever",
    }
    settings = Settings.read({**LEAST, **given})
    read = {name: getattr(settings, name.lower()) for name in given if name not in ("SECRET_KEY", "UNKNOWN")}
    assert {name: str(value) for name, value in read.items()} == {name: given[name] for name in read}
    assert settings.aws().secret_key == "wJalrHidden"


def test_all_problems_are_named_at_once_each_with_a_right_example() -> None:
    wrong = {
        "MYSQL_LOC": "jdbc:postgresql://u53r:p4ss@db/x",
        "MYSQL_PASS": " ",
        "ACCESS_KEY": "AKIAHIDDEN",
        "BATCH_LENGTH": "5s",
        "PARTITIONS": "0",
        "MAX_THREADS": "1.5",
        "WEIGHTING_CVC": "NaN",
        "THRESHOLD_FRAUD": "-1",
        "FRAUD_SAMPLE_CHANCE": "1.1",
        "INITIAL_POSITION": "yesterday",
        "STREAM_NAME": "a b",
        "CONSUMER_NAME": "utopia-failover-HA-DynamoDB",
        "AWS_REGION": "Ohio",
        "AWS_ENDPOINT_URL_SES": "localhost:5000",
        "MYSQL_SSL_CA": "/no/such/file",
    }
    lines = problems(wrong)
    assert {re.split(r"[ :]", line)[0] for line in lines} == {
        *(wrong.keys() - {"CONSUMER_NAME", "AWS_REGION", "ACCESS_KEY", "AWS_ENDPOINT_URL_SES"}),
        *("MYSQL_USER", "SECRET_KEY", "FAILOVER_TABLE", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL*"),
    }
    assert all("; for example " in line for line in lines)


@pytest.mark.parametrize("name", sorted(LEAST))
def test_a_required_variable_that_is_missing_or_empty_is_named(name: str) -> None:
    for environ in ({key: value for key, value in LEAST.items() if key != name}, {**LEAST, name: ""}):
        (line,) = problems(environ)
        assert line.startswith(f"{name} is missing: ")


def test_misspelt_names_are_pointed_at_only_where_a_required_one_is_missing() -> None:
    given = {"MYSQL_USER": "stream", "MYSQL_PASSWORD": "hunter2", "MYSQL_URL": "mysql://u53r:p4ss@db"}
    lines = problems({**given, "REGION": "us-east-1", "BATCH_LENGHT": "5", "PATH": "/bin", "AWS_ACCESS_KEY_ID": "x"})
    hints = [line for line in lines if "is no setting" in line]
    assert hints == [
        "BATCH_LENGHT is set, but is no setting: BATCH_LENGTH?",
        "MYSQL_PASSWORD is set, but is no setting: MYSQL_PASS?",
        "MYSQL_URL is set, but is no setting: MYSQL_LOC?",
        "REGION is set, but is no setting: AWS_REGION?",
    ]
    assert Settings.read({**LEAST, "BATCH_LENGHT": "7"}).batch_length == 5.0
    assert len(problems({**LEAST, "BATCH_LENGHT": "7", "PARTITIONS": "x"})) == 1


@pytest.mark.parametrize("name", ["ACCESS_KEY", "SECRET_KEY"])
def test_one_aws_key_without_the_other_is_wrong(name: str) -> None:
    (line,) = problems({**LEAST, name: "AKIAHIDDEN"})
    assert "ACCESS_KEY" in line
    assert "SECRET_KEY" in line


def test_no_secret_is_in_any_text_of_the_settings() -> None:
    keys = {"ACCESS_KEY": "AKIAHIDDEN", "SECRET_KEY": "wJalrHidden"}
    settings = Settings.read({**LEAST, **keys, "MYSQL_LOC": "mysql://stream:p4ss@db/x?password=p4ss"})
    shown = f"{settings!r} {settings} {settings.mysql!r} {settings.mysql} {settings.aws()!r} {settings.mysql_loc}"
    assert not [secret for secret in SECRETS if secret in shown]


def test_settings_are_frozen_and_survive_pickling() -> None:
    settings = Settings.read({**LEAST, "ACCESS_KEY": "AKIAHIDDEN", "SECRET_KEY": "wJalrHidden"})
    again = pickle.loads(pickle.dumps(settings))
    assert again == settings
    assert (again.mysql, again.aws()) == (settings.mysql, settings.aws())
    with pytest.raises(ValueError, match="frozen"):
        settings.partitions = 5


def test_the_region_may_come_from_either_variable() -> None:
    without = {name: value for name, value in LEAST.items() if name != "AWS_DEFAULT_REGION"}
    assert Settings.read({**without, "AWS_REGION": "eu-west-1"}).aws_default_region == "eu-west-1"
    assert Settings.read({**LEAST, "AWS_REGION": "eu-west-1"}).aws_default_region == "us-east-1"
    assert (
        Settings.read({**without, "AWS_DEFAULT_REGION": "", "AWS_REGION": "us-gov-west-1"}).aws().region[:6] == "us-gov"
    )


def test_endpoints_of_the_environment_go_along_unless_they_are_to_be_ignored() -> None:
    here = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_ENDPOINT_URL_SES": "http://127.0.0.1:2"}
    assert Settings.read({**LEAST, **here}).aws().endpoints == tuple(here.items())
    ignoring = {**LEAST, **here, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}
    assert Settings.read(ignoring).aws().endpoints == ()


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("latest", "LATEST"),
        ("2021-10-06T13:28:47+02:00", datetime(2021, 10, 6, 11, 28, 47, tzinfo=UTC)),
        ("2021-10-06 11:28:47", datetime(2021, 10, 6, 11, 28, 47, tzinfo=UTC)),
    ],
)
def test_the_initial_position_is_a_word_or_a_moment(text: str, position: str | datetime) -> None:
    assert Settings.read({**LEAST, "INITIAL_POSITION": text}).initial_position == position


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("jdbc:mysql://db.example.org:3307/bank", ("db.example.org", 3307, "bank")),
        ("jdbc:mysql://db", ("db", 3306, "bytecrunchers")),
        ("JDBC:MySQL://db/?useUnicode=yes", ("db", 3306, "bytecrunchers")),
        ("jdbc:mariadb://10.0.0.7/bank", ("10.0.0.7", 3306, "bank")),
        ("mysql://[fd00::7]:3307/bank", ("fd00::7", 3307, "bank")),
        (" jdbc:mysql://[::1]/my-bank \n", ("::1", 3306, "my-bank")),
    ],
)
def test_urls_of_all_kinds_lead_to_host_port_and_schema(url: str, place: tuple[str, int, str]) -> None:
    location = parse_mysql_location(url)
    assert (location.host, location.port, location.schema) == place


@pytest.mark.parametrize(
    "url",
    [
        "",
        "db.example.org:3306/bank",
        "jdbc:postgresql://db/bank",
        "jdbc:mysql:///bank",
        "jdbc:mysql://db:port/bank",
        "jdbc:mysql://db:99999/bank",
        "jdbc:mysql://one,two/bank",
        "jdbc:mysql:loadbalance://one/bank",
        "jdbc:mysql://address=(host=db)/bank",
        "mysql://[::1/bank",
        "jdbc:mysql://db/bank/more",
        "jdbc:mysql://db/bank?sslMode=p4ss",
        "mysql://u53r:p4ss/p4ss@db/bank",
        "mysql://u53r:1/p4ss@db/bank",
        "mysql://u53r:1?p4ss@db/bank",
        "mysql://u53r:1#p4ss@db/bank",
    ],
)
def test_other_urls_are_refused_without_repeating_them(url: str) -> None:
    with pytest.raises(ValueError, match=r"^(is not|has|holds|names)") as raised:
        parse_mysql_location(url)
    assert not [secret for secret in SECRETS if secret in str(raised.value)]
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__ or raised.value.__context__ is None


@pytest.mark.parametrize(
    ("parameters", "tls"),
    [
        ("", "PREFERRED"),
        ("sslMode=VERIFY_IDENTITY", "VERIFY_IDENTITY"),
        ("sslmode=verify_ca", "VERIFY_CA"),
        ("ssl-mode=REQUIRED", "REQUIRED"),
        ("useSSL=false&sslMode=DISABLED", "DISABLED"),
        ("useSSL=false&sslMode=REQUIRED", "REQUIRED"),
        ("useSSL=false", "DISABLED"),
        ("useSSL=true", "REQUIRED"),
        ("requireSSL=true", "REQUIRED"),
        ("useSSL=true&verifyServerCertificate=true", "VERIFY_CA"),
        ("useSSL=false&verifyServerCertificate=true", "DISABLED"),
        ("sslMode=verify-full", "VERIFY_IDENTITY"),
        ("sslMode=trust", "REQUIRED"),
    ],
)
def test_tls_is_what_the_url_says_as_connector_j_reads_it(parameters: str, tls: str) -> None:
    assert parse_mysql_location(f"jdbc:mysql://db/bank?{parameters}").tls == tls


@pytest.mark.parametrize(
    ("mode", "arguments"),
    [
        ("DISABLED", {"ssl_disabled": True}),
        ("PREFERRED", {"ssl_ca": "", "ssl_verify_cert": True, "ssl_verify_identity": False}),
        ("REQUIRED", {"ssl_ca": "", "ssl_verify_cert": True, "ssl_verify_identity": False}),
        ("VERIFY_IDENTITY", {"ssl_ca": "", "ssl_verify_cert": True, "ssl_verify_identity": True}),
    ],
)
def test_given_certificates_are_used_unless_tls_is_off(tmp_path: Path, mode: str, arguments: dict[str, object]) -> None:
    authority = tmp_path / "ca.pem"
    authority.touch()
    environ = {**LEAST, "MYSQL_LOC": f"jdbc:mysql://db/bank?sslMode={mode}"}
    found = dict(Settings.read({**environ, "MYSQL_SSL_CA": str(authority)}).mysql.tls_arguments)
    assert found == arguments | ({"ssl_ca": str(authority)} if "ssl_ca" in arguments else {})


def test_verifying_takes_certificates() -> None:
    (line,) = problems({**LEAST, "MYSQL_LOC": "jdbc:mysql://db/bank?sslMode=VERIFY_CA"})
    assert line.startswith("MYSQL_SSL_CA is missing")


@pytest.mark.parametrize("url", ["mysql://u53r:p4%40ss@db", "jdbc:mysql://db?user=u53r&password=p4%40ss"])
def test_credentials_in_the_url_stand_in_for_missing_variables_only(url: str) -> None:
    region = {"AWS_DEFAULT_REGION": "us-east-1"}
    alone = Settings.read({**region, "MYSQL_LOC": url}).mysql
    assert (alone.user, alone.password) == ("u53r", "p4@ss")
    both = Settings.read({**LEAST, "MYSQL_LOC": url}).mysql
    assert (both.user, both.password) == ("stream", "hunter2")
    (line,) = problems({**region, "MYSQL_LOC": url, "MYSQL_USER": "somebody"})
    assert line.startswith("MYSQL_PASS is missing")


def test_reading_settings_loads_neither_spark_nor_an_aws_or_database_library() -> None:
    loaded = "import sys, bank_stream.settings; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    names = subprocess.run([sys.executable, "-c", loaded], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert not {"pyspark", "py4j", "boto3", "botocore", "mysql", "sqlalchemy"} & set(names.split())


def test_the_page_about_settings_is_true() -> None:
    command = [sys.executable, "-m", "pipeline", "settings"]
    page = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert (ROOT / "docs" / "settings.md").read_text() == page
