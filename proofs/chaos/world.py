"""Everything that runs, each client of a server behind a proxy of its own."""

import asyncio
import base64
import signal
import uuid
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Final

from cli import system
from cli.status import health
from devstack import databases
from devstack.ports import free_port
from devstack.up import StartError
from proofs.chaos.programs import ManagedProcess
from proofs.chaos.proxy import Proxy
from proofs.chaos.servers import Broker, Database, Server
from shared.contract.services import DATABASES
from shared.settings import PREFIX, Settings, load

LIMITS: Final = {
    "GATEWAY_TIMEOUT_SECONDS": "2",
    "PAYMENT_BACKOFF_SECONDS": "0.2",
    "PAYMENT_ATTEMPTS": "6",
    "RESERVATION_SECONDS": "20",
    "EXTENSION_SECONDS": "20",
    "SESSION_SECONDS": "40",
}
"""Settings of the services: short, for every deadline to come within a run, and while something else is wrong."""
HEALTHY_SECONDS: Final = 180.0
API_KEY: Final = "sk_chaos"


class World:
    """Brokers, database, gateway and services; ``say`` gets the lines of their logs."""

    def __init__(self, state: Path, brokers: int, say: Callable[[str, str], None], progress: Callable[[str], None]) -> None:
        self._state, self._say, self._progress = state, say, progress
        (state / "logs").mkdir(parents=True, exist_ok=True)
        cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        voters = {number: free_port() for number in range(1, brokers + 1)}
        self.brokers = [Broker(n, voters, DATABASES, state, cluster_id, progress) for n in voters]
        self.database = Database(DATABASES, state, uuid.uuid4().hex)
        self._gateway_port = free_port()
        self.gateway_proxy = Proxy(self._gateway_port)
        self.programs: dict[str, ManagedProcess] = {}
        self.ports: dict[str, int] = {}
        self._passwords = {name: uuid.uuid4().hex for name in DATABASES}
        self._numbers = count(2)
        self._environment: dict[str, str] = {}

    @property
    def servers(self) -> list[Server]:
        """The brokers and the database."""
        return [*self.brokers, self.database]

    @property
    def _proxies(self) -> list[Proxy]:
        return [self.gateway_proxy, *(proxy for server in self.servers for proxy in server.proxies.values())]

    @property
    def settings(self) -> Settings:
        """For whoever looks on: with no proxy between."""
        return load(self._environment)

    async def start(self) -> None:
        """Start all and wait until it is healthy. Raises ``StackError`` or ``StartError``."""
        self._progress("Starting PostgreSQL and Kafka")
        for proxy in self._proxies:
            await proxy.start()
        await asyncio.gather(*(server.start() for server in self.servers))
        found = await databases.acreate(self.database.admin_url, "quadrille", self._passwords)
        self._environment = {
            **found,
            f"{PREFIX}KAFKA_BOOTSTRAP_SERVERS": ",".join(f"127.0.0.1:{broker.port}" for broker in self.brokers),
            f"{PREFIX}REPLICATION_FACTOR": str(len(self.brokers)),
            f"{PREFIX}GATEWAY_URL": f"http://127.0.0.1:{self._gateway_port}",
            f"{PREFIX}GATEWAY_API_KEY": API_KEY,
            **{PREFIX + name: value for name, value in LIMITS.items()},
        }
        self._progress("Creating topics and migrating databases")
        await system.prepare(self.settings)
        self._progress("Starting the services")
        ledger = self._state / "gateway.db"
        for file in self._state.glob("gateway.db*"):
            file.unlink()
        arguments = ["devstack.sandbox", "--port", str(self._gateway_port), "--ledger", str(ledger)]
        self.ports = {"gateway": self._gateway_port, **{name: free_port() for name in DATABASES}}
        self.programs["gateway"] = ManagedProcess("gateway", arguments, {f"{PREFIX}SANDBOX_API_KEY": API_KEY}, self._say)
        for name in DATABASES:
            self.programs[name] = self._managed(name, name, self.ports[name])
        for program in self.programs.values():
            program.start()
        if ill := await self.until_healthy(HEALTHY_SECONDS):
            raise StartError(f"not healthy after {HEALTHY_SECONDS:g} s: {', '.join(ill)}")

    def another(self, service: str) -> ManagedProcess:
        """One more instance of a service, to be started."""
        return self._managed(f"{service}-{next(self._numbers)}", service, free_port())

    def _managed(self, name: str, service: str, port: int) -> ManagedProcess:
        kafka = ",".join(f"127.0.0.1:{broker.proxies[service].port}" for broker in self.brokers)
        proxy = self.database.proxies[service].port
        watched = ",".join(f"{other}=http://127.0.0.1:{self.ports[other]}" for other in DATABASES)
        environment = {
            **self._environment,
            f"{PREFIX}KAFKA_BOOTSTRAP_SERVERS": kafka,
            f"{PREFIX}{service.upper()}_DATABASE_URL": self.settings.database_url(service).replace(
                f":{self.database.port}/", f":{proxy}/"
            ),
            f"{PREFIX}GATEWAY_URL": f"http://127.0.0.1:{self.gateway_proxy.port}",
            f"{PREFIX}WATCHED_SERVICES": watched,
            f"{PREFIX}HEALTH_PORT": str(port),
        }
        return ManagedProcess(name, [f"services.{service}"], environment, self._say)

    async def until_healthy(self, seconds: float, *names: str) -> dict[str, str]:
        """Wait until these are, or all; returns what is wrong with those that are not by then."""
        deadline = asyncio.get_running_loop().time() + seconds
        while True:
            states = await health({name: self.ports[name] for name in names or self.ports})
            ill = {name: str(said.get("trouble")) for name, said in states.items() if not said["ready"]}
            if not ill or asyncio.get_running_loop().time() > deadline:
                return ill
            await asyncio.sleep(0.2)

    async def stop(self) -> None:
        """Stop all, whatever state it is in, and remove the data of the servers."""
        await asyncio.gather(*(program.stop() for program in self.programs.values()), return_exceptions=True)
        await asyncio.gather(*(proxy.stop() for proxy in self._proxies))
        stopping = (server.stop(signal.SIGKILL) for server in self.servers)
        await asyncio.gather(*stopping, return_exceptions=True)
        for server in self.servers:
            server.disk.remove()
