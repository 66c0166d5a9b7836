"""``quadrille up``: Kafka, PostgreSQL, topics, databases, the sandbox gateway and every service, in one process tree."""

import asyncio
import os
import secrets
import signal
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

from cli import notes, system
from cli.processes import Child
from cli.status import health
from devstack.embedded import EmbeddedStack
from devstack.errors import StackError
from devstack.lock import FolderLock
from devstack.ports import free_port
from devstack.supervisor import MAX_BACKOFF, Program, Supervisor
from shared.contract.services import DATABASES, PACKAGES, PROCESSES
from shared.errors import QuadrilleError
from shared.settings import PREFIX, Settings, SettingsError, given, load, names_broker
from shared.timeouts import backoff

HEALTHY_SECONDS = 60.0
LEDGER = "gateway.db"
"""The sandbox gateway's database, in the state folder."""
CONSOLE_PORT = f"{PREFIX}CONSOLE_PORT"
PROGRAMS = "programs.json"
"""Lists the started processes, in the state folder, so that the next start can stop those that a crash left running."""
WATCH_SECONDS = 0.5
"""How often Kafka and PostgreSQL are checked."""
PROGRAM_STOP_SECONDS = 8.0


class StartError(QuadrilleError):
    """A service could not start, or was not ready in time; the message says which and why."""


class Running:
    """A running system: call :meth:`start`, then :meth:`stop`.

    ``more``: settings of the services besides those of the stack. ``measured``: use an embedded stack, ignore the
    environment's settings, and run no auditor and no console. ``lasting``: the stack stays up for hours. ``programs``: the
    arguments after ``python -m`` for services that do not run their own module. ``log`` receives a program's name and a line
    of its log.
    """

    def __init__(
        self,
        state: Path,
        more: dict[str, str],
        log: Callable[[str, str], None],
        progress: Callable[[str], None],
        *,
        measured: bool = False,
        lasting: bool = False,
        programs: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self._state, self._more, self._log, self._progress = state, more, log, progress
        self._lasting = lasting
        self._measured, self._programs = measured, {"audit": ["cli.audit"], **(programs or {})}
        self._stack = ExitStack()
        self._supervisor: Supervisor | None = None
        self._task: asyncio.Task[None] | None = None
        self._embedded: EmbeddedStack | None = None
        self._watching: asyncio.Task[None] | None = None
        self._own = Child.of(os.getpid())
        self._started: dict[str, Child] = {}
        self.environment: dict[str, str] = {}
        self.health_ports: dict[str, int] = {}

    async def start(self) -> None:
        """Start everything and wait until every service is ready.

        Raises ``SettingsError`` before it starts anything, ``StackError`` or :class:`StartError`.
        """
        _check(load({**({} if self._measured else given()), **self._more}))
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise

    async def _start(self) -> None:
        broker = await asyncio.to_thread(self._broker_and_database)
        await asyncio.to_thread(_stop_programs, self._state)
        if self._embedded:
            self._watching = asyncio.create_task(self._watch_servers(self._embedded))
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
        await system.prepare(load(self.environment))
        self._progress("Starting the services")
        names = DATABASES if self._measured else PROCESSES
        self.health_ports = {"gateway": gateway_port, **{name: free_port() for name in names}}
        watched = [f"{name}=http://127.0.0.1:{self.health_ports[name]}" for name in names]
        self.environment = {f"{PREFIX}WATCHED_SERVICES": ",".join(watched), **self.environment}
        programs = [self._gateway(gateway_port, api_key), *map(self._service, names)]
        self._supervisor = Supervisor(programs, self._log, self._record_program)
        self._task = asyncio.create_task(self._supervisor.run())
        await self._wait_until_healthy()
        system.save(self._state, system.RunningSystem(self._own, self.environment, self.health_ports))

    async def stop(self) -> None:
        """Stop the services, then the stack."""
        system.remove(self._state, self._own)
        if self._watching:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        if self._supervisor and self._task:
            self._supervisor.stop()
            await self._task
            (self._state / PROGRAMS).unlink(missing_ok=True)
        await asyncio.to_thread(self._stack.close)

    def _broker_and_database(self) -> dict[str, str]:
        if not self._measured and names_broker():
            lock = FolderLock(self._state)
            lock.take()
            self._stack.callback(lock.release)
            return given()
        self._embedded = self._stack.enter_context(EmbeddedStack(self._state, progress=self._progress, lasting=self._lasting))
        return self._embedded.environment if self._measured else {**given(), **self._embedded.environment}

    def _record_program(self, name: str, child: Child) -> None:
        self._started[name] = child
        notes.write_secret(self._state / PROGRAMS, {name: asdict(child) for name, child in self._started.items()})

    async def _watch_servers(self, embedded: EmbeddedStack) -> None:
        """Restart Kafka and PostgreSQL when they end, until cancelled."""
        attempts: dict[str, int] = {}
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            for name in await asyncio.to_thread(embedded.ended):
                wait = backoff(attempts.get(name, 0), MAX_BACKOFF, first=1.0)
                attempts[name] = attempts.get(name, 0) + 1
                self._log(name, "exited; restarting")
                try:
                    await asyncio.to_thread(embedded.start_again, name)
                except StackError as error:
                    self._log(name, f"cannot restart ({error}); next attempt in {wait:.1f} s")
                    await asyncio.sleep(wait)
                else:
                    attempts.pop(name)
                    self._log(name, "is running again")

    def _api_key(self) -> str:
        path = self._state / "gateway.json"
        if not path.exists():
            notes.write_secret(path, {"api_key": secrets.token_urlsafe(24)})
        return str(notes.read(path)["api_key"])

    def _gateway(self, port: int, api_key: str) -> Program:
        arguments = ["devstack.sandbox", "--port", str(port), "--ledger", str(self._state / LEDGER)]
        return Program("gateway", arguments, {f"{PREFIX}SANDBOX_API_KEY": api_key})

    def _service(self, name: str) -> Program:
        port = str(self.health_ports[name])
        arguments = self._programs.get(name, [PACKAGES.get(name, f"services.{name}")])
        return Program(name, arguments, {**self.environment, f"{PREFIX}HEALTH_PORT": port})

    async def _wait_until_healthy(self) -> None:
        waiting = dict(self.health_ports)
        deadline = asyncio.get_running_loop().time() + HEALTHY_SECONDS
        while waiting:
            states = await health(waiting)
            waiting = {name: port for name, port in waiting.items() if not states[name]["ready"]}
            if self._supervisor and self._supervisor.refused:
                raise StartError("; ".join(f"{name} cannot start: {why}" for name, why in self._supervisor.refused.items()))
            if asyncio.get_running_loop().time() > deadline:
                troubles = ", ".join(f"{name} ({states[name].get('trouble')})" for name in waiting)
                raise StartError(f"not ready after {HEALTHY_SECONDS:g} s: {troubles}")
            if waiting:
                await asyncio.sleep(0.1)


def _check(settings: Settings) -> None:
    """Raise :class:`SettingsError` if a service would refuse to start with these settings.

    Addresses of servers and databases are not checked: they may start only now. Apprise is imported only if it is needed.
    """
    import_module("services.console.__main__").check(settings)
    if settings.alert_targets:
        try:
            import_module("services.alerts.targets").parse_targets(settings.alert_targets)
        except ValueError as error:
            raise SettingsError(str(error)) from None


def stop_leftovers(state: Path) -> bool:
    """Stop what a crash left running in a folder; returns whether there was anything. Raises ``StackError``."""
    if not state.exists():
        return False
    lock = FolderLock(state)
    lock.take()
    try:
        programs, servers = _stop_programs(state), EmbeddedStack.stop_leftovers(state)
        return programs or servers
    finally:
        lock.release()


def _stop_programs(state: Path) -> bool:
    """Stop the recorded programs that a crash left running; returns whether there were any. The folder must be locked."""
    left = [child for noted in notes.read(state / PROGRAMS).values() if (child := Child(**noted)).find()]
    with ThreadPoolExecutor(max(1, len(left))) as pool:
        for stopped in [pool.submit(child.stop, signal.SIGTERM, PROGRAM_STOP_SECONDS) for child in left]:
            stopped.result()
    return bool(left)
