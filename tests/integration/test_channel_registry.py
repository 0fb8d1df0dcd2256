"""The registry of schemas, a real one: versions, what is compatible, and what is said where it is away."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from channel_stats import schemas
from channel_stats.registry import Incompatible, Registry
from channel_stats.schemas import Schema, newest, versions
from pipeline.runtime.errors import Halted, Transient
from tests.registry import registry
from tests.servers import HERE, ROOT

TOPICS = ("yt_daily", "yt_monthly")
_numbers = itertools.count()


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The registry's address, where nothing is registered at the beginning."""
    if given := os.environ.get("SCHEMA_REGISTRY_TEST_URL"):
        yield given
    else:
        with registry(tmp_path_factory.mktemp("registry")) as private:
            yield private.url


def with_field(schema: Schema, **field: object) -> Schema:
    return {**schema, "fields": [*schema["fields"], field]}


def history(monkeypatch: pytest.MonkeyPatch, *more: Schema) -> str:
    """A topic that nobody else has, whose versions are those of `yt_daily` and more."""
    topic = f"history-{os.getpid()}-{next(_numbers)}"
    known = {topic: (*versions("yt_daily"), *more)}
    monkeypatch.setattr("channel_stats.registry.versions", lambda name: known[name])
    return topic


@pytest.mark.parametrize("topic", TOPICS)
def test_every_version_of_a_schema_is_compatible_with_every_one_before_it(
    url: str, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What keeps a change from being merged that old readers, or old records, could not live with."""
    name = f"{topic}-{os.getpid()}"
    monkeypatch.setattr("channel_stats.registry.versions", lambda _: versions(topic))
    assert (
        len(set(Registry(url).register(name))) == len(versions(topic)) == len(list(schemas.FOLDER.glob(f"{topic}.*")))
    )


def test_registering_again_gives_the_same_ids_and_a_schema_is_known_by_its_id(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = history(monkeypatch)
    found = Registry(url)
    with pytest.raises(Halted, match="run `python -m channel_stats register`"):
        found.id_of(topic, newest("yt_daily"))
    ids = found.register(topic)
    assert found.register(topic) == ids
    assert found.id_of(topic, newest("yt_daily")) == ids[-1]
    assert found.schema(ids[-1]) == newest("yt_daily")
    assert found.schema(2**31 - 1) is None
    assert found.schema(2**32 - 1) is None


def test_a_field_with_a_default_is_taken_and_one_without_is_not(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    grown = with_field(newest("yt_daily"), name="views", type="long", default=0)
    topic = history(monkeypatch)
    first = Registry(url).register(topic)
    bare = with_field(newest("yt_daily"), name="views", type="long")
    assert Registry(url).is_compatible(topic, grown)
    assert not Registry(url).is_compatible(topic, bare)
    known = {topic: (*versions("yt_daily"), grown)}
    monkeypatch.setattr("channel_stats.registry.versions", lambda name: known[name])
    assert Registry(url).register(topic)[0] == first[0]
    known[topic] = (*known[topic], bare)
    with pytest.raises(Incompatible, match=r"version 3 .* is not compatible"):
        Registry(url).register(topic)


def test_compatibility_is_with_all_versions_and_not_with_the_last_alone(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A field that went away comes back with another type: the version in between knows of neither."""
    first = with_field(newest("yt_daily"), name="views", type="int", default=0)
    again = with_field(newest("yt_daily"), name="views", type="string", default="")
    topic = history(monkeypatch, first, newest("yt_daily") | {"doc": "without it"})
    Registry(url).register(topic)
    assert not Registry(url).is_compatible(topic, again)


def test_a_registry_that_is_away_or_is_none_says_so(url: str) -> None:
    with pytest.raises(Transient, match="the schema registry does not answer") as raised:
        Registry(f"http://{HERE}:1/apis").schema(1)
    assert raised.value.waits_for == "the schema registry"
    with pytest.raises(Halted, match="look at SCHEMA_REGISTRY_URL"):
        Registry(url.replace("/apis/ccompat/v7", "/ui/#")).schema(1)


def test_the_command_registers_both_and_says_where_the_trouble_is(url: str) -> None:
    def run(*arguments: str, at: str = url) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "channel_stats", "register", *arguments]
        return subprocess.run(
            command, cwd=ROOT, env={**os.environ, "SCHEMA_REGISTRY_URL": at}, capture_output=True, text=True
        )

    done = run()
    assert done.returncode == 0, done.stderr
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == list(TOPICS)
    assert run().stdout == done.stdout
    assert run("--check").returncode == 0
    away = run(at=f"http://{HERE}:1/apis")
    assert away.returncode == 1
    assert "the schema registry does not answer" in away.stderr
    assert run(at="registry:8080").returncode == 2
