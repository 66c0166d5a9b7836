"""Apache Kafka's own broker: one KRaft node that is its own controller, on loopback."""

import signal
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from cli.processes import Child
from devstack import jars, java
from devstack.errors import StackError
from devstack.processes import launch, listens, wait_until

START_SECONDS: Final = 180.0
STOP_SECONDS: Final = 20.0
JVM: Final = (
    *("-Xms384m", "-Xmx384m", "-XX:+UseSerialGC"),
    *("-XX:-UsePerfData", "-Djava.awt.headless=true"),
)
"""Counters for tools that look at a JVM are left out: they would be files in the system's temporary folder."""
BRIEF: Final = "-XX:TieredStopAtLevel=1"
"""For a broker that lives for minutes: the second compiler takes more than it saves. A start and a stop cost half the CPU
without it, and a checkout of a short bench 2.7 ms of the broker in place of 4.6."""
LOGGING: Final = """\
status = error
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d %p %c{1}: %m%n
rootLogger.level = warn
rootLogger.appenderRef.out.ref = out
"""


class Kafka:
    """One broker with its data in ``folder``. ``properties``: of the broker, beside ours or in their place.

    ``lasting``: it stays up, and is worth being compiled well.
    """

    def __init__(
        self, folder: Path, log: Path, cluster_id: str, properties: Mapping[str, str] | None = None, *, lasting: bool = False
    ) -> None:
        self._folder, self._log, self._cluster_id, self._more = folder, log, cluster_id, properties or {}
        self._jvm = JVM if lasting else (*JVM, BRIEF)

    def start(
        self, port: int, controller_port: int, progress: Callable[[str], None], launched: Callable[[Child], None]
    ) -> None:
        """Start the broker and wait until it listens; ``launched`` hears of its process at once. Raises :class:`StackError`."""
        class_path = jars.class_path((self._folder / "jars").resolve(), jars.locked(), progress)
        self._folder.mkdir(parents=True, exist_ok=True)
        properties, logging = self._folder / "broker.properties", self._folder / "log4j2.properties"
        properties.write_text(self._properties(port, controller_port))
        logging.write_text(LOGGING)
        temporary = self._folder / "tmp"  # where libraries of its jars are unpacked
        temporary.mkdir(exist_ok=True)
        places = (f"-Djava.io.tmpdir={temporary.resolve()}", f"-Dlog4j2.configurationFile={logging.resolve()}")
        command = [str(java.find()), *self._jvm, *places, "-cp", class_path]
        if not (self._folder / "data" / "meta.properties").exists():
            self._format(command, properties)
        child = launch([*command, "kafka.Kafka", str(properties.resolve())], self._log, cwd=self._folder)
        launched(child)
        wait_until(lambda: listens(port), child, "Kafka", self._log, START_SECONDS)

    @staticmethod
    def stop(child: Child) -> None:
        """Shut down, flushing what is not written."""
        child.stop(signal.SIGTERM, STOP_SECONDS)

    def _format(self, command: list[str], properties: Path) -> None:
        cluster_id = f"--cluster-id={self._cluster_id}"  # in one word: an id may begin with a hyphen
        arguments = ["kafka.tools.StorageTool", "format", cluster_id, f"--config={properties.resolve()}"]
        made = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
        if made.returncode:
            raise StackError(f"Kafka could not format its storage in {self._folder}: {made.stdout}{made.stderr}")

    def _properties(self, port: int, controller_port: int) -> str:
        settings = {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
            "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": (self._folder / "data").resolve(),
            "auto.create.topics.enable": "false",
            "group.initial.rebalance.delay.ms": 0,
            "offsets.topic.replication.factor": 1,
            "offsets.topic.num.partitions": 3,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "transaction.state.log.num.partitions": 3,
            "transaction.max.timeout.ms": 60_000,
            "share.coordinator.state.topic.replication.factor": 1,
            "share.coordinator.state.topic.min.isr": 1,
            "num.network.threads": 2,
            "num.io.threads": 4,
            "log.segment.bytes": 134_217_728,
            "log.cleaner.dedupe.buffer.size": 33_554_432,
            **self._more,
        }
        return "".join(f"{name}={value}\n" for name, value in settings.items())
