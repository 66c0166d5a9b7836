"""The broker and the database tests run on: ``STACK=embedded`` (default), ``compose`` or ``testcontainers``."""

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from devstack import postgres
from devstack.embedded import EmbeddedStack
from devstack.ports import free_port
from devstack.postgres import Postgres
from tests.support import compose as containers

ROOT = Path(__file__).resolve().parents[2]
KINDS = ("embedded", "compose", "testcontainers")


@dataclass(frozen=True)
class Stack:
    """Where the broker and the database are: settings, and the address of PostgreSQL's administrator."""

    kind: str
    bootstrap_servers: str
    admin_url: str
    services: Mapping[str, str] | None = None
    """Where the stack comes with all services running: the settings that point to them."""

    @property
    def environment(self) -> dict[str, str]:
        """The setting that names the broker."""
        return {"QUADRILLE_KAFKA_BOOTSTRAP_SERVERS": self.bootstrap_servers}


@contextlib.contextmanager
def start(kind: str) -> Iterator[Stack]:
    """Start a stack; it is gone at the end. Raises ``ValueError`` for a kind nobody knows."""
    starters: dict[str, Callable[[], contextlib.AbstractContextManager[Stack]]] = {
        "embedded": embedded,
        "compose": compose,
        "testcontainers": testcontainers,
    }
    if kind not in starters:
        raise ValueError(f"STACK must be one of {', '.join(KINDS)}, not {kind!r}")
    with starters[kind]() as stack:
        yield stack


@contextlib.contextmanager
def embedded(folder: str = "tests") -> Iterator[Stack]:
    """The embedded stack in a folder of its own, with nothing in it; only the jars are kept.

    PostgreSQL does not wait for its disk: no test takes the machine's power.
    """
    state = ROOT / ".quadrille" / folder
    if EmbeddedStack.running(state) is None:
        empty(state)
        link_jars(state)
    stack = EmbeddedStack(state)
    try:
        with patch.dict(postgres.SETTINGS, fsync="off"):
            stack.start()
        yield Stack("embedded", stack.environment["QUADRILLE_KAFKA_BOOTSTRAP_SERVERS"], stack.admin_url)
    finally:
        stack.stop()
        if EmbeddedStack.running(state) is None:
            empty(state)


def link_jars(state: Path) -> None:
    """Have a folder use Kafka's jars of the other tests, where they are there already."""
    jars, link = ROOT / ".quadrille" / "tests" / "kafka" / "jars", state / "kafka" / "jars"
    if jars.exists() and not link.exists():
        link.parent.mkdir(parents=True)
        link.symlink_to(jars)


def empty(state: Path) -> None:
    """Remove the data of a stack that does not run."""
    shutil.rmtree(state / "kafka" / "data", ignore_errors=True)
    Postgres.remove(state / "postgres")


@contextlib.contextmanager
def compose() -> Iterator[Stack]:
    """Our own compose file: broker, database and every service."""
    with containers.up() as made:
        yield Stack("compose", made.bootstrap_servers, made.admin_url, made.environment)


@contextlib.contextmanager
def testcontainers() -> Iterator[Stack]:
    """The official images, started by testcontainers."""
    from testcontainers.core.container import DockerContainer

    kafka_port, postgres_port, password = free_port(), free_port(), "tests"
    kafka = DockerContainer("apache/kafka:4.3.1").with_bind_ports(kafka_port, kafka_port)
    for name, value in _kafka_environment(kafka_port).items():
        kafka = kafka.with_env(name, value)
    postgres = DockerContainer("postgres:18").with_env("POSTGRES_PASSWORD", password).with_bind_ports(5432, postgres_port)
    with kafka, postgres:
        _wait(lambda: _runs(kafka, "/opt/kafka/bin/kafka-topics.sh", "--bootstrap-server", f"localhost:{kafka_port}", "--list"))
        _wait(lambda: _runs(postgres, "pg_isready", "-h", "127.0.0.1", "-U", "postgres"))
        admin_url = f"postgresql://postgres:{password}@127.0.0.1:{postgres_port}/postgres"
        yield Stack("testcontainers", f"127.0.0.1:{kafka_port}", admin_url)


def _kafka_environment(port: int) -> dict[str, str]:
    return {
        "KAFKA_NODE_ID": "1",
        "KAFKA_PROCESS_ROLES": "broker,controller",
        "KAFKA_LISTENERS": f"PLAINTEXT://0.0.0.0:{port},CONTROLLER://localhost:9093",
        "KAFKA_ADVERTISED_LISTENERS": f"PLAINTEXT://127.0.0.1:{port}",
        "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
        "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS": "3",
        "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
        "KAFKA_TRANSACTION_MAX_TIMEOUT_MS": "60000",
        "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
        "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
    }


def _runs(container: object, *command: str) -> bool:
    identity = container.get_wrapped_container().id  # type: ignore[attr-defined]
    return subprocess.run(["docker", "exec", identity, *command], capture_output=True, check=False).returncode == 0


def _wait(ready: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, "the container did not become ready"
        time.sleep(0.2)


def chosen() -> str:
    """The stack the environment asks for."""
    return os.environ.get("STACK", "embedded")
