"""Kafka's jars: taken only whole, and only where their bytes are the locked ones."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from jgo.maven import _core

from devstack.errors import StackError
from devstack.jars import BROKER, Jar, class_path, locked
from devstack.kafka import Kafka

JARS = [Jar(f"org.example:{name}:1.0", hashlib.sha256(name.encode()).hexdigest()) for name in ("one", "two")]


class Maven:
    """A repository of Maven's form; ``bodies``: what it gives for a jar, ``claimed``: how many bytes it says there are."""

    def __init__(self) -> None:
        self.bodies = {jar.file: jar.file.split("-")[0].encode() for jar in JARS}
        self.claimed: dict[str, int] = {}
        self.asked: list[str] = []


@pytest.fixture
def maven(monkeypatch: pytest.MonkeyPatch) -> Iterator[Maven]:
    """Where jgo looks in place of Maven Central."""
    made = Maven()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.rsplit("/", 1)[1]
            body = made.bodies.get(name)
            if body is not None:
                made.asked.append(name)
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Length", str(made.claimed.get(name, len(body or b""))))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with served(Handler) as url:
        monkeypatch.setitem(_core.DEFAULT_REMOTE_REPOS, "central", url)
        yield made


@contextmanager
def served(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def put(folder: Path, *jars: Jar) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for jar in jars:
        (folder / jar.file).write_text(jar.file.split("-")[0])


def test_the_lock_names_every_jar_with_its_sum() -> None:
    jars = locked()
    assert {coordinates.split(":")[1] for coordinates in BROKER} <= {jar.coordinates.split(":")[1] for jar in jars}
    assert all(len(jar.sha256) == 64 and int(jar.sha256, 16) for jar in jars)
    assert len({jar.file for jar in jars}) == len(jars) > 40


def test_jars_that_are_there_are_checked_and_not_fetched(tmp_path: Path, maven: Maven) -> None:
    put(tmp_path / "jars", *JARS)
    said: list[str] = []
    path = class_path(tmp_path / "jars", JARS, said.append)
    assert path == ":".join(str(tmp_path / "jars" / jar.file) for jar in JARS)
    assert (said, maven.asked) == ([], [])


def test_a_jar_whose_bytes_are_not_the_locked_ones_stops_the_start(tmp_path: Path) -> None:
    put(tmp_path / "jars", *JARS)
    (tmp_path / "jars" / "two-1.0.jar").write_text("another two")
    found = hashlib.sha256(b"another two").hexdigest()
    with pytest.raises(StackError) as error:
        class_path(tmp_path / "jars", JARS, lambda text: None)
    said = str(error.value)
    assert said.startswith(f"{tmp_path}/jars/two-1.0.jar is not the jar that was locked: its SHA-256 is {found} and not ")
    assert JARS[1].sha256 in said
    assert "\n" not in said


def test_no_broker_is_started_with_such_a_jar(tmp_path: Path) -> None:
    for jar in locked():
        put(tmp_path / "jars", jar)
    with pytest.raises(StackError, match="is not the jar that was locked"):
        Kafka(tmp_path, tmp_path / "kafka.log", "cluster").start(1, 2, lambda text: None, lambda child: None)
    assert {path.name for path in tmp_path.iterdir()} == {"jars"}


def test_the_second_compiler_is_for_a_broker_that_stays_up(tmp_path: Path) -> None:
    brief, lasting = (Kafka(tmp_path, tmp_path / "kafka.log", "cluster", lasting=stays) for stays in (False, True))
    assert set(brief._jvm) - set(lasting._jvm) == {"-XX:TieredStopAtLevel=1"}


def test_what_is_missing_is_fetched_and_nothing_else_is_left(tmp_path: Path, maven: Maven) -> None:
    put(tmp_path / "jars", JARS[0])
    said: list[str] = []
    class_path(tmp_path / "jars", JARS, said.append)
    assert said == ["Fetching 1 jars of Apache Kafka from Maven Central"]
    assert maven.asked == ["two-1.0.jar"]
    assert {path.name for path in tmp_path.rglob("*")} == {"jars", "one-1.0.jar", "two-1.0.jar"}


def test_a_fetched_jar_that_is_not_the_locked_one_is_not_kept(tmp_path: Path, maven: Maven) -> None:
    maven.bodies["two-1.0.jar"] = b"evil"
    with pytest.raises(StackError, match=r"two-1\.0\.jar is not the jar that was locked"):
        class_path(tmp_path / "jars", JARS, lambda text: None)
    assert {path.name for path in (tmp_path / "jars").iterdir()} == {"one-1.0.jar"}


def test_a_download_that_broke_off_is_begun_anew(tmp_path: Path, maven: Maven) -> None:
    maven.claimed["two-1.0.jar"] = 1000
    with pytest.raises(StackError, match=r"org\.example:two:1\.0 cannot be fetched from Maven Central"):
        class_path(tmp_path / "jars", JARS, lambda text: None)
    del maven.claimed["two-1.0.jar"]
    class_path(tmp_path / "jars", JARS, lambda text: None)
    assert maven.asked == ["one-1.0.jar", "two-1.0.jar", "two-1.0.jar"]


def test_what_a_crash_left_of_a_download_is_not_taken_for_a_jar(tmp_path: Path, maven: Maven) -> None:
    left = tmp_path / "maven" / "org" / "example" / "two" / "1.0" / "two-1.0.jar"
    left.parent.mkdir(parents=True)
    left.write_text("tw")
    class_path(tmp_path / "jars", JARS, lambda text: None)
    assert (tmp_path / "jars" / "two-1.0.jar").read_text() == "two"


def test_a_jar_that_cannot_be_had_is_named(tmp_path: Path, maven: Maven) -> None:
    del maven.bodies["one-1.0.jar"]
    with pytest.raises(StackError, match=r"org\.example:one:1\.0 cannot be fetched from Maven Central: Artifact .* not found"):
        class_path(tmp_path / "jars", JARS, lambda text: None)
