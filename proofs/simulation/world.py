"""A world: the four services, a gateway, a clock, and a seed that decides what happens next."""

from datetime import datetime, timedelta
from typing import Any, Final

from proofs.simulation.calls import STRAY, Calls
from proofs.simulation.coverage import Coverage
from proofs.simulation.database import Row
from proofs.simulation.environment import Environment
from proofs.simulation.faults import ServiceFault
from proofs.simulation.gateway import FakeGateway
from proofs.simulation.injection import inject
from proofs.simulation.service import Service
from proofs.simulation.timeline import Timeline
from proofs.simulation.watch import BrokenError, Watch
from services.payment.model import Payment
from shared.contract.envelope import Envelope
from shared.contract.message import Message
from shared.contract.services import SERVICES

RESTLESS: Final = 100_000
"""So many steps without coming to rest mean that something turns in a circle."""


class World:
    """Everything, step by step. ``twice``: the part of a client's records that are written twice."""

    def __init__(
        self,
        seed: int,
        gateway: FakeGateway | None = None,
        twice: float = 0.1,
        *,
        partitions: int = 2,
        members: int = 2,
        coverage: Coverage | None = None,
        timeline: Timeline | None = None,
    ) -> None:
        self.env = Environment(seed, partitions, coverage or Coverage(), timeline)
        self.gateway = gateway or FakeGateway()
        self.gateway.now = self.env.now
        self.watch = Watch()
        self.services: dict[str, Service] = {
            name: Service(name, self.env, self.watch, partitions, members) for name in SERVICES
        }
        self.calls = Calls(self.services["payment"], self.gateway, self.watch)
        for service in self.services.values():
            service.group.begin()
        self._twice = twice
        self._sent = 0

    @property
    def now(self) -> datetime:
        """The world's clock."""
        return self.env.now

    @now.setter
    def now(self, moment: datetime) -> None:
        self.pass_to(moment)

    @property
    def coverage(self) -> Coverage:
        """What this world, and those before it with the same coverage, went through."""
        return self.env.coverage

    @property
    def log(self) -> list[Message]:
        """Every event that was committed, in the order of the commits."""
        return self.env.log

    def send(self, *messages: Message) -> None:
        """Publish as a client would."""
        for message in messages:
            self._sent += 1
            key = message.key
            partition, name = self.env.partition_of(key), f"c{self._sent}"
            envelope = Envelope(name, "/client", type(message).__name__, key, name, offset=self._sent)
            if self.env.timeline is not None:
                self.env.note("client", f"sends {type(message).__name__} {key}")
            row = Row(0, partition, envelope, message, committed=True)
            self.env.deliver(row)
            if self._twice and self.env.chance() < self._twice:
                self.env.deliver(row)

    def step(self) -> bool:
        """One thing that can happen now, chosen by the seed; returns whether there was any."""
        return self.go(1)

    def go(self, steps: int) -> bool:
        """So many things, one after the other; returns whether there were as many."""
        now, chance, coverage = self.env.ready.events, self.env.chance, self.env.coverage
        for _ in range(steps):
            where = chance()
            if not now:
                return False
            coverage.steps += 1
            now[int(where * len(now))].act()
        return True

    def settle(self, *, hours: float = 0.0) -> None:
        """Go on until nothing is left to do; with ``hours``, time passes too, and what becomes due in it happens."""
        until = self.now + timedelta(hours=hours)
        self._exhaust()
        while (due := self.env.timers.next()) is not None and (due <= until or self._retrying(due)):
            self.pass_to(due)
            self._exhaust()
        self.pass_to(max(self.now, until))

    def rest(self) -> None:
        """Go on until nothing will ever happen again by itself."""
        self._exhaust()
        while (due := self.env.timers.next()) is not None:
            self.pass_to(max(due, self.now))
            self._exhaust()

    def _exhaust(self) -> None:
        if self.go(RESTLESS):
            raise BrokenError("progress", "the world", f"does not come to rest in {RESTLESS} steps")

    def pass_to(self, moment: datetime) -> None:
        """Time passes, and nothing is done in it; what is due by then can happen from now on."""
        if moment - self.now > STRAY:
            self.calls.hurry()
        if moment > self.now:
            if moment - self.now > timedelta(minutes=1):
                self.env.note("", f"… {moment - self.now} pass")
            self.env.now = self.gateway.now = moment
        self.env.timers.move_due(moment, self.env.ready)

    def _retrying(self, due: datetime) -> bool:
        """Whether a call to the gateway is tried again soon."""
        return due < self.now + timedelta(minutes=4) and any(
            payment.operation for payment in self.services["payment"].aggregates[Payment].values()
        )

    def inject(self, fault: ServiceFault, service: str, hours: float = 0.0) -> None:
        """Let something happen to a service."""
        inject(self.services[service], self.calls, fault, hours)

    def dead_letter_next(self, kind: type[Message], hours: float) -> None:
        """The next message of a type becomes a dead letter in the services that react to it, redriven after some hours."""
        for service in self.services.values():
            if kind in service.wiring.by_trigger:
                service.dying.setdefault(kind.__name__, []).append(timedelta(hours=hours))

    def emitted(self, kind: type[Message], **fields: Any) -> list[Any]:
        """The events of a type that were committed, with these fields."""
        return [m for m in self.log if type(m) is kind and all(getattr(m, k) == v for k, v in fields.items())]
