"""A database of a test's own that speaks MongoDB's protocol, on 127.0.0.1 and a free port.

    with database(folder) as mongo: ...

It is mongo-java-server (jars.lock), and no MongoDB: it has no sessions, transactions, change streams and pipeline
updates. MONGO_TEST_URI names a real one for the suite.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from tests.processes import Missing, Process, free_port, program
from tests.servers import HERE, ROOT

JARS: Final = ROOT / ".cache" / "jars" / "mongo"
GROOVY: Final = Path("/usr/share/java/groovy-all.jar")
SCRIPT: Final = Path(__file__).parent / "emulators" / "mongo.groovy"
JAVA: Final = ("-Xms64m", "-Xmx1g", "-XX:+ExitOnOutOfMemoryError", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
OUT_OF_DISK: Final = (14031, "OutOfDiskSpace")
"""What MongoDB answers where its disk is full."""

Client = MongoClient[dict[str, Any]]


class Mongo:
    """A private database; `uri` is for its clients."""

    def __init__(self, folder: Path, *, durable: bool) -> None:
        if not JARS.exists():
            raise Missing("the jars of the database are missing: run `make setup`, which fetches them into .cache/jars")
        if not GROOVY.exists():
            raise Missing("Groovy is missing: run `make setup`, or install the Debian package groovy")
        self.port = free_port()
        self.uri = f"mongodb://{HERE}:{self.port}"
        self._refusal = folder / "refusal"
        command = [program("java", "openjdk-17-jre-headless"), *JAVA, "-cp", f"{JARS}/*:{GROOVY}"]
        command += ["groovy.ui.GroovyMain", str(SCRIPT), str(self.port), str(self._refusal)]
        command += [str(folder / "data")] if durable else []
        self.process = Process("mongo", command, folder / "mongo.log", self._answers, {}, folder)

    @property
    def pid(self) -> int:
        """The process id."""
        return self.process.pid

    def client(self) -> Client:
        """A new client, for whoever closes it."""
        return MongoClient(self.uri, tz_aware=True, serverSelectionTimeoutMS=5_000)

    def start(self) -> None:
        """Start (again), on the same port; with the data only where it is durable."""
        self.process.start()

    def stop(self) -> None:
        """Shut down in good order."""
        self.process.stop()

    def kill9(self) -> None:
        """What was written within the last second or so is lost, also where it is durable."""
        self.process.kill9()

    def refuse_writes(self, code: int = OUT_OF_DISK[0], message: str = OUT_OF_DISK[1]) -> None:
        """From now on every write is refused so."""
        fresh = self._refusal.with_suffix(".new")
        fresh.write_text(f"{code}\n{message}\n")
        fresh.replace(self._refusal)

    def take_writes(self) -> None:
        """Writes are taken again."""
        self._refusal.unlink()

    def _answers(self) -> bool:
        try:
            with MongoClient[dict[str, Any]](self.uri, serverSelectionTimeoutMS=500) as client:
                return bool(client.admin.command("ping"))
        except PyMongoError:
            return False


@contextmanager
def database(folder: Path, *, durable: bool = False) -> Iterator[Mongo]:
    """A database in memory, or with its data in `folder` (made where missing), for a start after a stop: slower."""
    folder.mkdir(parents=True, exist_ok=True)
    private = Mongo(folder.resolve(), durable=durable)
    private.start()
    try:
        yield private
    finally:
        private.kill9()
