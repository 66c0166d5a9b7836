"""Kafka's jars: fetched from Maven Central through jgo, named with their SHA-256 in ``kafka.lock``, checked before use."""

import hashlib
import json
import shutil
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from devstack.errors import StackError

BROKER: Final = ("org.apache.kafka:kafka_2.13:4.3.1", "org.apache.logging.log4j:log4j-slf4j-impl:2.25.4")
"""What is needed; the lock file holds what that needs in turn."""
LOCK: Final = Path(__file__).with_name("kafka.lock")
_FETCHING: Final = threading.Lock()
"""Several brokers may be started at once: the first fetches for all."""


@dataclass(frozen=True)
class Jar:
    """One jar: its Maven coordinates ``group:artifact:version`` and the SHA-256 of its bytes."""

    coordinates: str
    sha256: str

    @property
    def file(self) -> str:
        """The name of its file."""
        _, artifact, version = self.coordinates.split(":")
        return f"{artifact}-{version}.jar"


def locked(lock: Path = LOCK) -> list[Jar]:
    """The jars the lock file names."""
    return [Jar(**jar) for jar in json.loads(lock.read_text())]


def class_path(folder: Path, jars: list[Jar], progress: Callable[[str], None]) -> str:
    """The class path of the broker; what is missing in ``folder`` is fetched, and every jar is checked.

    Raises :class:`StackError` where a jar cannot be had or is not the one that was locked.
    """
    with _FETCHING:
        missing = [jar for jar in jars if not (folder / jar.file).exists()]
        if missing:
            progress(f"Fetching {len(missing)} jars of Apache Kafka from Maven Central")
            folder.mkdir(parents=True, exist_ok=True)
            _fetch(missing, folder)
    for jar in jars:
        check(folder / jar.file, jar)
    return ":".join(str((folder / jar.file).resolve()) for jar in jars)


def check(path: Path, jar: Jar) -> None:
    """Raises :class:`StackError` where the bytes of this file are not those of the jar that was locked."""
    found = sha256(path)
    if found != jar.sha256:
        raise StackError(
            f"{path} is not the jar that was locked: its SHA-256 is {found} and not {jar.sha256}."
            " Delete it and start again; if that does not help, do not trust where it comes from"
        )


def sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fetch(jars: list[Jar], folder: Path) -> None:
    """Fetch jars, each of which appears in ``folder`` only when all of it is there and is what was locked.

    jgo takes whatever is in its cache for whole, also what a crash left there, so it gets an empty one every time.
    """
    cache = folder.parent / "maven"
    shutil.rmtree(cache, ignore_errors=True)
    maven = _maven(cache)
    try:
        for jar in jars:
            group, artifact, version = jar.coordinates.split(":")
            try:
                fetched = Path(maven.project(group, artifact).at_version(version).artifact().resolve())
            except Exception as error:  # jgo raises whatever its transport raises
                raise StackError(f"{jar.coordinates} cannot be fetched from Maven Central: {error}") from error
            check(fetched, jar)
            fetched.rename(folder / jar.file)
    finally:
        shutil.rmtree(cache, ignore_errors=True)


def _maven(cache: Path) -> Any:
    try:
        from jgo.maven import MavenContext
    except ImportError:
        raise StackError("the embedded stack needs more packages: run `pip install ./devstack` in a clone") from None
    return MavenContext(repo_cache=cache, timeout=60)


def resolve() -> list[Jar]:
    """What the broker needs as Maven Central says today; for writing a new lock file."""
    import jgo

    jars: dict[str, Jar] = {}
    for wanted in BROKER:
        for artifact in jgo.resolve(wanted):
            coordinates = f"{artifact.groupId}:{artifact.artifactId}:{artifact.version}"
            jars.setdefault(artifact.artifactId, Jar(coordinates, sha256(Path(artifact.resolve()))))
    return sorted(jars.values(), key=lambda jar: jar.file)


def write_lock(lock: Path = LOCK) -> int:
    """Write the lock file anew; returns the number of jars."""
    jars = resolve()
    lock.write_text(json.dumps([asdict(jar) for jar in jars], indent=1) + "\n")
    return len(jars)
