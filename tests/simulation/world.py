"""A world in memory: the real reactions, wired by their registries, with topics, inboxes, deadlines and a gateway.

Between topics any order is possible, within a topic and key none but one; every message may come twice. A seed decides.
"""

import random
from collections import defaultdict, deque
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from services.payment.answers import GatewayAnswered, HoldAged
from services.payment.gateways.port import Answer, Authorization, LookUp
from services.payment.model import Payment
from shared.contract.envelope import Envelope, message_id
from shared.contract.message import Message
from shared.contract.topics import SERVICES, events_topic
from shared.runtime.reactions import Due, Reaction
from tests.simulation.bank import Bank
from tests.support.dancer import Dancer

Delivery = tuple[Envelope, Message]


class World:
    """Everything, driven step by step by a seed. ``twice``: the part of deliveries that are repeated."""

    def __init__(self, seed: int, bank: Bank | None = None, twice: float = 0.1) -> None:
        self.random = random.Random(seed)
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.bank = bank or Bank()
        self.dancers: dict[str, Dancer] = {name: Dancer(name) for name in SERVICES}
        self.log: list[Message] = []
        self._queues: dict[tuple[str, str, str], deque[Delivery]] = defaultdict(deque)
        self._twice = twice
        self._sent = 0
        self._calling: list[tuple[Payment, int, Answer | LookUp]] = []

    def send(self, *messages: Message) -> None:
        """Publish as a client would."""
        for message in messages:
            self._sent += 1
            self._publish(message.topic, Envelope(f"c{self._sent}", "/client", message.type_name(), message.key, "-"), message)

    def _publish(self, topic: str, envelope: Envelope, message: Message) -> None:
        for name, dancer in self.dancers.items():
            if type(message) in dancer.reactions.by_trigger:
                self._queues[name, topic, message.key].append((envelope, message))

    def settle(self, *, hours: float = 0.0) -> None:
        """Deliver until nothing is left to do; with ``hours``, deadlines within them pass too."""
        until = self.now + timedelta(hours=hours)
        while True:
            while self.step():
                pass
            due = min(self._deadlines(), default=None)
            if due is None or due > max(until, self.now + timedelta(minutes=4 if self._retrying() else 0)):
                self.now = max(self.now, until)
                return
            self.now = max(self.now, due)

    def step(self) -> bool:
        """One thing that can happen now, chosen by the seed; returns whether there was any."""
        choices: list[Any] = [key for key, queue in self._queues.items() if queue]
        choices += list(range(len(self._calling)))
        choices += list(self._due())
        if not choices:
            return False
        choice = self.random.choice(choices)
        if isinstance(choice, int):
            payment, serial, answer = self._calling.pop(choice)
            self._react("payment", GatewayAnswered(payment.checkout_id, serial, answer), None)
        elif isinstance(choice, tuple) and isinstance(choice[1], str):
            self._deliver(choice)
        else:
            name, reaction, aggregate_id = choice
            self._run(name, reaction, Due(aggregate_id), None)
        return True

    def _deliver(self, key: tuple[str, str, str]) -> None:
        queue = self._queues[key]
        envelope, message = queue[0]
        if self.random.random() >= self._twice:
            queue.popleft()
        dancer = self.dancers[key[0]]
        if envelope.id not in dancer.inbox:
            dancer.inbox.add(envelope.id)
            self._react(key[0], message, envelope)

    def _react(self, name: str, trigger: Any, envelope: Envelope | None) -> None:
        self._run(name, self.dancers[name].reactions.by_trigger[type(trigger)], trigger, envelope)

    def _run(self, name: str, reaction: Reaction, trigger: Any, envelope: Envelope | None) -> None:
        dancer = self.dancers[name]
        self._sent += 1
        cause = envelope or Envelope(f"i{self._sent}", name, type(trigger).__name__, "-", "-")
        for index, message in enumerate(dancer.run(reaction, trigger, cause, self.now)):
            self.log.append(message)
            emitted = Envelope(message_id(name, cause.id, index), name, message.type_name(), message.key, "-")
            self._publish(message.topic or events_topic(name), emitted, message)
        if name == "payment":
            self._call(dancer.own(Payment, reaction.id_of(trigger)))

    def _call(self, payment: Payment) -> None:
        """The request a payment waits for; it takes effect at the bank now, and is answered later. Or its hold is old."""
        if payment.due_at is None or payment.due_at > self.now:
            return
        operation = payment.operation
        if operation is None:
            self._react("payment", HoldAged(payment.checkout_id), None)
            return
        pending = {(p.checkout_id, serial) for p, serial, _ in self._calling}
        if (payment.checkout_id, operation.serial) in pending:
            return
        answer = self._ask(payment)
        self._calling.append((payment, operation.serial, answer))

    def _ask(self, payment: Payment) -> Answer | LookUp:
        operation = payment.operation
        assert operation is not None
        if operation.step == "look_up":
            return self.bank.look_up(payment.checkout_id)
        if operation.kind == "authorize":
            request = Authorization(payment.checkout_id, payment.amount, payment.currency, payment.token or "")
            return self.bank.authorize(operation.key, request)
        return self.bank.change(operation.kind, operation.key, payment.hold or "")

    def _retrying(self) -> bool:
        return any(p.operation for p in self.dancers["payment"].aggregates[Payment].values())

    def _timed(self) -> Iterator[tuple[str, Reaction, str, datetime]]:
        for name, dancer in self.dancers.items():
            for kind, reaction in dancer.reactions.by_deadline.items():
                for aggregate_id, aggregate in dancer.aggregates[kind].items():
                    if aggregate.due_at is not None:
                        yield name, reaction, aggregate_id, aggregate.due_at

    def _due(self) -> Iterator[tuple[str, Reaction, str]]:
        for name, reaction, aggregate_id, due_at in self._timed():
            if due_at <= self.now:
                yield name, reaction, aggregate_id
        for payment in self.dancers["payment"].aggregates[Payment].values():
            self._call(payment)

    def _deadlines(self) -> Iterator[datetime]:
        yield from (due_at for *_, due_at in self._timed())
        for payment in self.dancers["payment"].aggregates[Payment].values():
            if payment.due_at is not None:
                yield payment.due_at

    def emitted(self, kind: type[Message], **fields: Any) -> list[Any]:
        """The events of a type that were emitted, with these fields."""
        return [m for m in self.log if type(m) is kind and all(getattr(m, k) == v for k, v in fields.items())]
