"""Runs the services as processes that die, each time at another point, and starts them again."""

import asyncio
import time
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from aiokafka.client import AIOKafkaClient, ConnectionGroup, CoordinationType
from aiokafka.protocol.group import LeaveGroupRequest

from shared.settings import load
from tests.integration.crash.mortal import DIED
from tests.support import services

MODULE: Final = "tests.integration.crash.mortal"
REACHED_SECONDS: Final = 600.0
"""The longest a process may take to come to its point."""
UNTOLD: Final = 10
"""One death in so many is one that nobody tells the broker of."""


@dataclass
class Mortal:
    """One process, and what it notes."""

    service: str
    point: str
    running: services.Running
    notes: Path

    def noted(self, what: str) -> list[str]:
        """The names noted of one kind, in their order."""
        lines = self.notes.read_text().splitlines() if self.notes.exists() else []
        return [name for kind, _, name in (line.partition(" ") for line in lines) if kind == what]

    @property
    def code(self) -> int | None:
        """How the process ended, if it did."""
        return self.running.process.poll()

    async def healthy(self) -> None:
        """Wait until it works."""
        await asyncio.to_thread(self.running.wait_until_healthy)

    async def dies(self) -> None:
        """Wait until it is dead. Raises ``AssertionError`` where it lives too long, or ends otherwise."""
        deadline = time.monotonic() + REACHED_SECONDS
        while self.code is None:
            assert time.monotonic() < deadline, f"{self.service} did not come to {self.point!r}:\n{self.running.tail()}"
            await asyncio.sleep(0.02)
        assert self.code == DIED, f"{self.service} ended with {self.code}, not {self.point!r}:\n{self.running.tail()}"
        assert self.noted("died") == [self.point]

    async def stop(self) -> None:
        """Stop it as an operator does."""
        await asyncio.to_thread(self.running.stop)


@dataclass
class Supervisor:
    """``alive``: the processes that run. ``deaths``: who died, and at which point."""

    environment: Mapping[str, str]
    folder: Path
    deaths: list[tuple[str, str]] = field(default_factory=list)
    alive: list[Mortal] = field(default_factory=list)
    _started: int = 0

    def start(self, service: str, point: str = "", time: int = 1) -> Mortal:
        """Start a process that dies when it passes the point for this time, or at none."""
        self._started += 1
        notes = self.folder / f"{service}-{self._started}.notes"
        arguments = [service, str(notes), *(["--die-at", point, "--time", str(time)] if point else [])]
        mortal = Mortal(service, point, services.start(service, MODULE, self.environment, self.folder, *arguments), notes)
        self.alive.append(mortal)
        return mortal

    async def in_a_row(self, service: str, points: Mapping[str, int], *, members: int = 1) -> None:
        """Have a service die at each of the points, one after the other, when it is passed for this time.

        So many processes of it are there at a time: with one the service comes back by itself, with more others take over.
        """
        left = deque(points.items())

        async def one_after_the_other() -> None:
            while left:
                mortal = self.start(service, *left.popleft())
                await mortal.dies()
                await self._bury(mortal)

        await asyncio.gather(*(one_after_the_other() for _ in range(members)))

    async def in_stopping(self, service: str, points: Iterable[str]) -> None:
        """Have a service die at points that it passes when it is stopped."""
        for point in points:
            mortal = self.start(service, point)
            await mortal.healthy()
            mortal.running.process.terminate()
            await mortal.dies()
            await self._bury(mortal)

    async def _bury(self, mortal: Mortal) -> None:
        """Note a death, and tell the broker that the member is gone, which it would notice by itself in ten seconds."""
        self.alive.remove(mortal)
        self.deaths.append((mortal.service, mortal.point))
        if len(self.deaths) % UNTOLD == 0:
            return
        settings = load(dict(self.environment))
        client = AIOKafkaClient(bootstrap_servers=settings.kafka_bootstrap_servers)
        try:
            await client.bootstrap()
            group = settings.topic(f"quadrille.{mortal.service}")
            for member in set(mortal.noted("member")):
                node = await client.coordinator_lookup(CoordinationType.GROUP, group)
                await client.send(node, LeaveGroupRequest(group, member), group=ConnectionGroup.COORDINATION)
        finally:
            await client.close()

    async def stop(self) -> list[Mortal]:
        """Stop whatever is alive; returns it."""
        alive, self.alive = self.alive, []
        await asyncio.gather(*(mortal.stop() for mortal in alive))
        return alive
