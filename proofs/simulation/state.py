"""A state of all four services and what lies between them, and each of those that may follow.

Here a topic is a queue for each key and reader, a message is one commit, and nobody crashes; what is explored is which
message comes next, which comes twice, when the gateway acts, how it fails and when it answers, and when a deadline
strikes.
"""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, Final, Literal

from pydantic import TypeAdapter

from proofs.simulation.database import Database, copied
from proofs.simulation.faults import GatewayFault
from proofs.simulation.gateway import FakeGateway, Request
from proofs.simulation.partitions import Delivery
from proofs.simulation.watch import Watch
from proofs.simulation.wiring import Deadline, envelope, inner_cause, react, wiring
from services.payment.answers import GatewayAnswered
from services.payment.gateways.port import Answer, LookUp
from services.payment.model import Payment
from shared.contract.envelope import Envelope
from shared.contract.message import Message
from shared.contract.services import SERVICES

Queue = tuple[str, str, str]
"""Reader, topic and key."""


@dataclass(frozen=True, slots=True)
class Budget:
    """How often, in one order, a message may come twice, a request fail, and a deadline strike while others wait.

    ``faults``: the ways in which a request may fail.
    """

    doubles: int = 1
    failures: int = 0
    deadlines: int = 0
    faults: tuple[GatewayFault, ...] = (
        GatewayFault.UNAVAILABLE,
        GatewayFault.LOST,
        GatewayFault.ANSWER_LOST,
        GatewayFault.ERROR,
    )


@dataclass(frozen=True, slots=True)
class Call:
    """A request to the gateway under way; with its answer, where that is on its way back."""

    request: Request
    serial: int
    answer: Answer | LookUp | None = None


@dataclass(frozen=True, slots=True)
class Move:
    """What happens next: ``what`` to ``which``. ``fault``: how a request fails. ``ways``: so many moves are the same."""

    what: Literal["deliver", "double", "call", "claim", "deadline"]
    which: Any = None
    fault: GatewayFault | None = None
    ways: int = 1


class Books(Database):
    """A service's database that can be forked: what a fork changes, it copies first."""

    __slots__ = ("_digest", "_digests", "_mine")

    def __init__(self) -> None:
        super().__init__(1)
        self._mine: set[tuple[type[Any], str]] = set()
        self._digests: dict[tuple[type[Any], str], bytes] = {}
        self._digest: bytes | None = None

    def fork(self) -> "Books":
        """The same, to go on from."""
        made = Books()
        for kind, table in self.aggregates.items():
            made.aggregates[kind] = table.copy()
        made.inbox, made._numbers, made._digests = self.inbox.copy(), self._numbers, self._digests.copy()
        return made

    def own(self, kind: type[Any], aggregate_id: str) -> Any:
        """The aggregate, to be changed in this fork alone."""
        name = (kind, aggregate_id)
        if name not in self._mine:
            self._mine.add(name)
            found = self.aggregates[kind].get(aggregate_id)
            self.aggregates[kind][aggregate_id] = kind(aggregate_id) if found is None else copied(found)
        self._digests.pop(name, None)
        return self.aggregates[kind][aggregate_id]

    def digest(self) -> bytes:
        """All that is in it, in short. To be asked for when a step is over: what comes after needs another fork."""
        if self._digest is None:
            found = blake2b(repr(sorted(self.inbox)).encode(), digest_size=16)
            for kind in sorted(self.aggregates, key=lambda kind: kind.__name__):
                for aggregate_id, aggregate in sorted(self.aggregates[kind].items()):
                    name = (kind, aggregate_id)
                    if name not in self._digests:
                        self._digests[name] = _adapter(kind).dump_json(aggregate)
                    found.update(self._digests[name])
            self._digest = found.digest()
        return self._digest


_ADAPTERS: Final[dict[type[Any], TypeAdapter[Any]]] = {}


def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


class State:
    """One state of everything, and what can happen in it."""

    def __init__(self, budget: Budget) -> None:
        self.services: dict[str, Books] = {name: Books() for name in SERVICES}
        self.queues: dict[Queue, tuple[Delivery, ...]] = {}
        self.heard: tuple[tuple[str, Delivery], ...] = ()
        self.calls: tuple[Call, ...] = ()
        self.gateway, self.watch, self.budget = FakeGateway(), Watch(), budget
        self.ledger = self.gateway.digest()
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.races: set[str] = set()
        """Those seen in any state that goes on from this one."""
        self._sent = 0

    def fork(self) -> "State":
        """The same, to go on from. What a step changes of the rest it forks itself."""
        made = State.__new__(State)
        made.services, made.queues = self.services.copy(), self.queues.copy()
        made.heard, made.calls = self.heard, self.calls
        made.gateway, made.ledger, made.watch, made.budget = self.gateway, self.ledger, self.watch, self.budget
        made.now, made.races, made._sent = self.now, self.races, self._sent
        return made

    def name(self) -> Hashable:
        """Equal for states that are equal in all that matters for what can happen."""
        books = tuple(books.digest() for books in self.services.values())
        queues = sorted((queue, tuple(cause.id for cause, _ in waiting)) for queue, waiting in self.queues.items() if waiting)
        rest = self.calls, self.budget, self.now, frozenset(self.watch.alerts)
        return books, self.ledger, tuple(queues), rest

    def send(self, *messages: Message) -> None:
        """Publish as a client would."""
        for message in messages:
            self._sent += 1
            name = f"c{self._sent}"
            self._deliver((Envelope(name, "/client", type(message).__name__, message.key, name), message))

    def _deliver(self, delivery: Delivery) -> None:
        message = delivery[1]
        for name in SERVICES:
            if type(message) in wiring(name).by_trigger:
                queue = (name, message.topic, message.key)
                self.queues[queue] = (*self.queues.get(queue, ()), delivery)

    # --- what can happen

    def moves(self) -> list[Move]:
        """All that can happen next; deadlines strike when nothing else is left, or as the budget allows."""
        moves = [Move("deliver", queue) for queue, waiting in self.queues.items() if waiting]
        moves += [Move("call", call) for call in self.calls]
        if self.budget.failures:
            moves += [Move("call", c, fault=fault) for c in self.calls if c.answer is None for fault in self.budget.faults]
        moves += [Move("claim", checkout_id) for checkout_id in self._claims()]
        quiet = not moves
        if self.budget.doubles:
            moves += self._doubles()
        if quiet or self.budget.deadlines:
            moves += [Move("deadline", due) for due in self._deadlines(quiet)]
        return moves

    def _doubles(self) -> list[Move]:
        """What was heard may come again; all that the inboxes know leads to the same state, which is this one."""
        new = [(name, again) for name, again in self.heard if self.services[name].is_new(again[0].id, again[1])]
        moves = [Move("double", heard) for heard in new]
        return [*moves, Move("double", ways=len(self.heard) - len(new))] if len(self.heard) > len(new) else moves

    def _claims(self) -> Iterator[str]:
        """The payments whose next request was not made yet."""
        under_way = {(call.request.reference, call.serial) for call in self.calls}
        for payment in self.services["payment"].aggregates[Payment].values():
            if payment.operation is not None and (payment.checkout_id, payment.serial) not in under_way:
                yield payment.checkout_id

    def _deadlines(self, quiet: bool) -> list[tuple[datetime, str, Deadline]]:
        """Those that may strike: any, as long as others wait; the first, when time may pass."""
        found: list[tuple[datetime, str, Deadline]] = [
            (aggregate.due_at, name, Deadline(aggregate_id, kind))
            for name, books in self.services.items()
            for kind in wiring(name).timers
            for aggregate_id, aggregate in books.aggregates[kind].items()
            if aggregate.due_at is not None
        ]
        return sorted(found, key=lambda due: due[:2])[:1] if quiet else found

    def after(self, move: Move) -> "State":
        """What a move leads to. Raises :class:`BrokenError`."""
        after = self.fork()
        match move.what:
            case "deliver":
                after._hear(move.which)
            case "double":
                after.budget = replace(after.budget, doubles=after.budget.doubles - 1)
                if move.which is not None:
                    name, (cause, message) = move.which
                    after._react(name, cause, message)
            case "call":
                after._go_on(move.which, move.fault)
            case "claim":
                after._claim(move.which)
            case "deadline":
                due_at, name, deadline = move.which
                after.now = max(after.now, due_at)
                after.budget = replace(after.budget, deadlines=max(0, after.budget.deadlines - 1))
                after._react(name, None, deadline)
        return after

    def _hear(self, queue: Queue) -> None:
        (cause, message), *rest = self.queues[queue]
        self.queues[queue] = tuple(rest)
        self.heard = (*self.heard, (queue[0], (cause, message)))
        self._react(queue[0], cause, message)

    def _react(self, name: str, cause: Envelope | None, trigger: Any) -> None:
        wired, books = wiring(name).of(trigger), self.services[name].fork()
        self.services[name] = books
        if cause is not None and not books.is_new(cause.id, trigger):
            return
        self.watch = self.watch.fork()
        own = wired.own(books, trigger)
        cause = cause or inner_cause(name, trigger, own)
        state = own.state if wired.stateful else None
        related, emitted = react(books, wired.reaction, own, trigger, cause, self.now)
        if wired.seen is not None and (race := wired.seen(state, own, related, emitted)):
            self.races.add(race)
        self.watch.changed(own, related)
        for index, message in enumerate(emitted):
            self.watch.emitted(message)
            self._deliver((envelope(name, cause, index, message), message))

    def _claim(self, checkout_id: str) -> None:
        payment: Payment = self.services["payment"].aggregates[Payment][checkout_id]
        assert payment.due_at is not None
        self.now = max(self.now, payment.due_at)
        self.calls = (*self.calls, Call(Request.of(payment, self.now), payment.serial))

    def _go_on(self, call: Call, fault: GatewayFault | None) -> None:
        self.calls = tuple(other for other in self.calls if other is not call)
        if call.answer is not None:
            self._react("payment", None, GatewayAnswered(call.request.reference, call.serial, call.answer))
            return
        if fault is not None:
            self.budget = replace(self.budget, failures=self.budget.failures - 1)
        self.gateway = self.gateway.fork()
        self.gateway.now = self.now
        self.calls = (*self.calls, replace(call, answer=self.gateway.ask(call.request, fault)))
        self.ledger = self.gateway.digest()
        self.watch.asked(self.gateway, call.request)
