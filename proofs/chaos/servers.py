"""The brokers and the database: started, killed, and started again where they were."""

import asyncio
import signal
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from cli.processes import Child
from devstack.kafka import Kafka
from devstack.ports import free_port
from devstack.postgres import Postgres
from devstack.processes import listens, wait_until
from proofs.chaos.disk import Disk
from proofs.chaos.proxy import Proxy

STOP_SECONDS: Final = 20.0
LISTEN_SECONDS: Final = 30.0
"""From a broker's first listener to its last."""


class Server(ABC):
    """A server with its data on a disk of its own, and a proxy for each of its clients."""

    def __init__(self, name: str) -> None:
        self.name, self.port, self.disk = name, free_port(), Disk()
        self.proxies: dict[str, Proxy] = {}
        self._child: Child | None = None

    async def start(self) -> None:
        """Start it, or start it again with the data it has. Raises ``StackError``."""
        await asyncio.to_thread(self._start)

    @abstractmethod
    def _start(self) -> None: ...

    async def stop(self, sign: signal.Signals) -> None:
        """End it the way the signal says, and what is left of one that ended by itself."""
        if self._child:
            await asyncio.to_thread(self._child.stop, sign, STOP_SECONDS)
            self._child = None

    @property
    def runs(self) -> bool:
        """Whether its process is there."""
        return self._child is not None and self._child.find() is not None

    def _launched(self, child: Child) -> None:
        self._child = child


class Database(Server):
    """PostgreSQL, behind a proxy for each of its clients."""

    def __init__(self, clients: Sequence[str], state: Path, password: str) -> None:
        super().__init__("database")
        self.proxies = {client: Proxy(self.port) for client in clients}
        self._postgres = Postgres(self.disk.folder, state / "logs" / "postgres.log", password)
        self.admin_url = self._postgres.url(self.port)

    def _start(self) -> None:
        self._postgres.start(self.port, self._launched)


class Broker(Server):
    """A Kafka broker, which is a controller too. ``voters``: the controllers' ports, by the brokers' numbers.

    A broker tells its clients where to come back to, so each has a listener of its own, which tells of its own proxy.
    """

    def __init__(
        self,
        number: int,
        voters: Mapping[int, int],
        clients: Sequence[str],
        state: Path,
        cluster_id: str,
        progress: Callable[[str], None],
    ) -> None:
        super().__init__(f"broker-{number}")
        self.number = number
        self._controller_port, self._progress = voters[number], progress
        self._listeners = {client: free_port() for client in clients}
        self.proxies = {client: Proxy(port) for client, port in self._listeners.items()}
        jars = state / "kafka" / "jars"
        jars.mkdir(parents=True, exist_ok=True)
        (self.disk.folder / "jars").symlink_to(jars.resolve())
        self._log, self._cluster_id, self._voters = state / "logs" / f"{self.name}.log", cluster_id, voters

    def _start(self) -> None:
        kafka = Kafka(self.disk.folder, self._log, self._cluster_id, self._properties())
        kafka.start(self.port, self._controller_port, self._progress, self._launched)
        assert self._child is not None
        wait_until(lambda: all(map(listens, self._listeners.values())), self._child, "Kafka", self._log, LISTEN_SECONDS)

    def _properties(self) -> dict[str, str]:
        here = {"PLAINTEXT": self.port} | {name.upper(): port for name, port in self._listeners.items()}
        told = {"PLAINTEXT": self.port} | {name.upper(): proxy.port for name, proxy in self.proxies.items()}
        copies = str(len(self._voters))
        return {
            "node.id": str(self.number),
            "controller.quorum.voters": ",".join(f"{n}@127.0.0.1:{port}" for n, port in self._voters.items()),
            "listeners": _addresses({**here, "CONTROLLER": self._controller_port}),
            "advertised.listeners": _addresses(told),
            "listener.security.protocol.map": ",".join(f"{name}:PLAINTEXT" for name in (*here, "CONTROLLER")),
            "num.network.threads": "1",  # of each listener
            "offsets.topic.replication.factor": copies,
            "transaction.state.log.replication.factor": copies,
            "share.coordinator.state.topic.replication.factor": copies,
        }


def _addresses(ports: Mapping[str, int]) -> str:
    return ",".join(f"{name}://127.0.0.1:{port}" for name, port in ports.items())
