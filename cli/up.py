"""``quadrille up``: the stack, the topics, the databases, the sandbox gateway and every service, in one process tree."""

import asyncio
import contextlib
import os
import secrets
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import aiohttp
import psutil

from cli import system
from cli.supervisor import Program, Supervisor
from shared.settings import DATABASES, PREFIX, Settings, given, load, names_broker
from stack import EmbeddedStack
from stack.ports import free_port
from stack.processes import Child

HEALTHY_SECONDS = 60.0
LEDGER = "gateway.db"
"""The sandbox gateway's, in the state folder."""
CONSOLE = "console"
CONSOLE_PORT = f"{PREFIX}CONSOLE_PORT"


class StartError(Exception):
    """A service did not become healthy in time; its log says why."""


class Running:
    """Everything, up: start with :meth:`start`, end with :meth:`stop`.

    ``more``: settings of the services beside those that name the stack. ``measured``: with a stack of its own, whatever
    broker the environment names, with no other settings than these, and without the console. ``programs``: what is run for
    a service (the arguments after ``python -m``) where it is not its own module.
    """

    def __init__(
        self,
        state: Path,
        more: dict[str, str],
        say: Callable[[str, str], None],
        progress: Callable[[str], None],
        *,
        measured: bool = False,
        programs: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self._state, self._more, self._say, self._progress = state, more, say, progress
        self._measured, self._programs = measured, programs or {}
        self._stack = ExitStack()
        self._supervisor: Supervisor | None = None
        self._task: asyncio.Task[None] | None = None
        self.environment: dict[str, str] = {}
        self.health_ports: dict[str, int] = {}

    async def start(self) -> None:
        """Start all and wait until every service is healthy. Raises ``StackError`` or :class:`StartError`."""
        self._state.mkdir(parents=True, exist_ok=True)
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise

    async def _start(self) -> None:
        broker = await asyncio.to_thread(self._broker_and_database)
        gateway_port = free_port()
        api_key = self._api_key()
        self.environment = {
            **broker,
            f"{PREFIX}GATEWAY_URL": f"http://127.0.0.1:{gateway_port}",
            f"{PREFIX}GATEWAY_API_KEY": api_key,
            **self._more,
        }
        self.environment.setdefault(CONSOLE_PORT, str(free_port(Settings.model_fields["console_port"].default)))
        self._progress("Creating topics and migrating databases")
        await system.set_up(load(self.environment))
        self._progress("Starting the services")
        names = [*DATABASES, *([] if self._measured else [CONSOLE])]
        self.health_ports = {"gateway": gateway_port, **{name: free_port() for name in names}}
        watched = [f"{name}=http://127.0.0.1:{self.health_ports[name]}" for name in names]
        self.environment = {f"{PREFIX}WATCHED_SERVICES": ",".join(watched), **self.environment}
        self._supervisor = Supervisor([self._gateway(gateway_port, api_key), *map(self._service, names)], self._say)
        self._task = asyncio.create_task(self._supervisor.run())
        await self._wait_until_healthy()
        own = Child(os.getpid(), psutil.Process().create_time())
        system.note(self._state, system.Up(own, self.environment, self.health_ports))

    async def stop(self) -> None:
        """Stop the services, then the stack."""
        system.forget(self._state)
        if self._supervisor and self._task:
            self._supervisor.stop()
            await self._task
        await asyncio.to_thread(self._stack.close)

    def _broker_and_database(self) -> dict[str, str]:
        if not self._measured and names_broker():
            return given()
        embedded = self._stack.enter_context(EmbeddedStack(self._state, progress=self._progress))
        return embedded.environment if self._measured else {**given(), **embedded.environment}

    def _api_key(self) -> str:
        path = self._state / "gateway.key"
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(secrets.token_urlsafe(24))
        return path.read_text()

    def _gateway(self, port: int, api_key: str) -> Program:
        arguments = ["sandbox", "--port", str(port), "--ledger", str(self._state / LEDGER)]
        return Program("gateway", arguments, {f"{PREFIX}SANDBOX_API_KEY": api_key})

    def _service(self, name: str) -> Program:
        port = str(self.health_ports[name])
        arguments = self._programs.get(name, [f"services.{name}"])
        return Program(name, arguments, {**self.environment, f"{PREFIX}HEALTH_PORT": port})

    async def _wait_until_healthy(self) -> None:
        waiting = dict(self.health_ports)
        deadline = asyncio.get_running_loop().time() + HEALTHY_SECONDS
        while waiting:
            states = await health(waiting)
            waiting = {name: port for name, port in waiting.items() if not states[name]["ready"]}
            if asyncio.get_running_loop().time() > deadline:
                raise StartError(f"not healthy after {HEALTHY_SECONDS:g} s: {', '.join(waiting)}")
            if waiting:
                await asyncio.sleep(0.1)


async def health(ports: dict[str, int]) -> dict[str, dict[str, object]]:
    """What each process says of itself; ``ready`` is false where it does not answer."""

    async def ask(session: aiohttp.ClientSession, port: int) -> dict[str, object]:
        try:
            async with session.get(f"http://127.0.0.1:{port}/readyz") as answer:
                said: dict[str, object] = await answer.json()
                return {"ready": answer.status == 200, **said}
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            return {"ready": False, "trouble": type(error).__name__}

    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=3)) as session:
        answers = await asyncio.gather(*(ask(session, port) for port in ports.values()))
    return dict(zip(ports, answers, strict=True))


@contextlib.contextmanager
def stop_signals(stop: Callable[[], None]) -> Iterator[None]:
    """SIGINT and SIGTERM call ``stop`` instead of ending us."""
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(sign, stop)
    try:
        yield
    finally:
        for sign in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(sign)
