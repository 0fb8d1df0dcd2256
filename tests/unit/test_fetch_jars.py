from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from scripts import fetch_jars
from scripts.fetch_jars import CENTRAL, Jar, Refused, fetch_section, mirror_of_central, read_lock, registry, repository

CONTENT = b"PK a jar"
HASH = hashlib.sha256(CONTENT).hexdigest()
JAR = Jar("org.example:thing_2.13:1.2", HASH)
PATH = "/org/example/thing_2.13/1.2/thing_2.13-1.2.jar"
MIRROR = "https://mirror.example/maven/"


class Repository(ThreadingHTTPServer):
    """Serves `files`; `asked` are the paths it was asked for; the first `failing` answers are errors."""

    def __init__(self, files: dict[str, bytes], failing: int = 0) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.files, self.failing = files, failing
        self.asked: list[str] = []
        self.address = f"http://127.0.0.1:{self.server_port}"


class _Answer(BaseHTTPRequestHandler):
    server: Repository

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        data = self.server.files.get(self.path)
        self.send_response(503 if len(self.server.asked) <= self.server.failing else 404 if data is None else 200)
        self.end_headers()
        self.wfile.write(data or b"")

    def log_message(self, *_: object) -> None: ...


@contextmanager
def serving(files: dict[str, bytes], failing: int = 0) -> Iterator[Repository]:
    with Repository(files, failing) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def settings(of: str, blocked: str = "false") -> str:
    return f"""<settings xmlns="http://maven.apache.org/SETTINGS/1.2.0"><mirrors><mirror>
        <id>ours</id><mirrorOf>{of}</mirrorOf><url>{MIRROR}</url><blocked>{blocked}</blocked>
    </mirror></mirrors></settings>"""


def test_every_line_of_our_lock_is_read() -> None:
    sections = read_lock(fetch_jars.LOCK.read_text())
    assert set(sections) == {
        *("spark", "msk-iam", "iceberg", "iceberg-aws", "kafka", "mongo", "registry", "dashboard", "axe"),
    }
    assert [(jar.name, jar.path) for jar in sections["dashboard"]] == [
        ("lightweight-charts-5.2.1.tgz", "lightweight-charts/-/lightweight-charts-5.2.1.tgz")
    ]
    assert [(jar.name, jar.path) for jar in sections["registry"]] == [
        (
            "apicurio-registry-app-2.6.13.Final-all.tar.gz",
            "io/apicurio/apicurio-registry-app/2.6.13.Final/apicurio-registry-app-2.6.13.Final-all.tar.gz",
        )
    ]
    names = {jar.name for jar in sections["spark"]}
    assert {"spark-sql-kafka-0-10_2.13-4.1.3.jar", "kafka-clients-3.9.1.jar"} <= names
    assert [jar.path for jar in sections["msk-iam"]] == [
        "software/amazon/msk/aws-msk-iam-auth/2.3.4/aws-msk-iam-auth-2.3.4-all.jar"
    ]


@pytest.mark.parametrize("line", ["org.example:thing:1", f"thing {HASH}", f"a:b:1 {HASH[1:]}", f"a:b:1 {HASH} more"])
def test_a_line_of_the_lock_that_says_too_little_is_refused_by_its_number(line: str) -> None:
    with pytest.raises(Refused, match="line 2 of the lock"):
        read_lock(f"[spark]\n{line}\n")


def test_a_jar_is_fetched_once(tmp_path: Path) -> None:
    with serving({PATH: CONTENT}) as server:
        fetch_section("spark", [JAR], server.address, tmp_path / "spark")
        fetch_section("spark", [JAR], server.address, tmp_path / "spark")
        fetch_section("kafka", [JAR], server.address, tmp_path / "kafka")
    assert server.asked == [PATH]
    for section in ("spark", "kafka"):
        assert [file.name for file in (tmp_path / section).iterdir()] == [JAR.name]
        assert (tmp_path / section / JAR.name).read_bytes() == CONTENT


def test_another_file_than_the_locked_one_is_refused_with_the_hash_it_has(tmp_path: Path) -> None:
    other = hashlib.sha256(b"other").hexdigest()
    with (
        serving({PATH: b"other"}) as server,
        pytest.raises(Refused, match=f"org.example:thing_2.13:1.2 has .* {other}"),
    ):
        fetch_section("spark", [JAR], server.address, tmp_path / "spark")
    assert not list((tmp_path / "spark").iterdir())


def test_a_damaged_jar_is_fetched_again_and_one_that_the_lock_no_longer_names_goes(tmp_path: Path) -> None:
    (folder := tmp_path / "spark").mkdir()
    (folder / JAR.name).write_bytes(CONTENT[:3])
    (folder / "thing_2.13-1.1.jar").write_bytes(b"old")
    with serving({PATH: CONTENT}) as server:
        fetch_section("spark", [JAR], server.address, folder)
    assert [file.name for file in folder.iterdir()] == [JAR.name]
    assert (folder / JAR.name).read_bytes() == CONTENT


def test_a_repository_that_stumbles_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scripts.fetch_jars.time.sleep", lambda _: None)
    with serving({PATH: CONTENT}, failing=2) as server:
        fetch_section("spark", [JAR], server.address, tmp_path / "spark")
    assert len(server.asked) == 3


def test_a_jar_that_nobody_has_is_named_at_once(tmp_path: Path) -> None:
    with serving({}) as server, pytest.raises(Refused, match=r"org.example:thing_2.13:1.2 cannot be fetched: .*404"):
        fetch_section("spark", [JAR], server.address, tmp_path / "spark")
    assert len(server.asked) == 1


@pytest.mark.parametrize("of", ["*", "central", "external:*", "other, central"])
def test_a_mirror_of_central_is_used(of: str) -> None:
    assert mirror_of_central(settings(of)) == MIRROR


@pytest.mark.parametrize(("of", "blocked"), [("*,!central", "false"), ("other", "false"), ("*", "true")])
def test_another_mirror_is_not_used(of: str, blocked: str) -> None:
    assert mirror_of_central(settings(of, blocked)) is None


def test_the_variable_outranks_the_settings_and_central_is_the_last_resort(tmp_path: Path) -> None:
    mine, machine = tmp_path / "mine.xml", tmp_path / "machine.xml"
    assert repository({}, (mine, machine)) == CENTRAL
    machine.write_text(settings("*"))
    assert repository({}, (mine, machine)) == MIRROR.rstrip("/")
    mine.write_text(settings("*").replace("mirror.example", "mine.example"))
    assert repository({}, (mine, machine)) == "https://mine.example/maven"
    assert repository({"MAVEN_REPOSITORY": "https://given.example/m2/"}, (mine, machine)) == "https://given.example/m2"


def test_a_section_that_does_not_exist_is_a_wrong_call(capsys: pytest.CaptureFixture[str]) -> None:
    assert fetch_jars.main(["flink"]) == 2
    assert fetch_jars.main([]) == 2
    assert "of spark, msk-iam, iceberg, iceberg-aws, kafka, mongo" in capsys.readouterr().err


def test_a_package_of_npm_is_fetched_from_its_registry_and_no_jar_is(tmp_path: Path) -> None:
    package = Jar("npm:charts:5.2.1", HASH)
    with serving({"/charts/-/charts-5.2.1.tgz": CONTENT}) as npm, serving({PATH: CONTENT}) as maven:
        fetch_section("both", [package, JAR], maven.address, tmp_path / "both", npm.address)
    assert sorted(file.name for file in (tmp_path / "both").iterdir()) == ["charts-5.2.1.tgz", JAR.name]
    assert (npm.asked, maven.asked) == (["/charts/-/charts-5.2.1.tgz"], [PATH])
    assert registry({}) == fetch_jars.NPM
    assert registry({"NPM_CONFIG_REGISTRY": "https://mirror.example/npm/"}) == "https://mirror.example/npm"
