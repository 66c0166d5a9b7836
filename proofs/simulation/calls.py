"""The calls to the gateway, under the rules of :mod:`services.payment.operations`.

Made outside of any commit by the process that owns the payment's partition: at once after the commit that asks for one, or
claimed from the database when the time of a retry has come and when a partition has changed hands.
"""

from collections import deque
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from proofs.simulation.events import Event
from proofs.simulation.faults import GatewayFault
from proofs.simulation.gateway import FakeGateway, Request
from proofs.simulation.partitions import Member, Partition
from proofs.simulation.service import Input, Service
from proofs.simulation.watch import Watch
from services.payment.answers import AuthorizationAged, GatewayAnswered, OperationTimedOut
from services.payment.gateways.port import Answer, LookUp
from services.payment.model import Payment, PaymentOperation
from services.payment.trouble import Breaker, GatewayHealth, is_trouble

HELD: Final = timedelta(minutes=5)
"""How often what is held back, while the gateway is in trouble, is looked at again."""
STRAY: Final = timedelta(minutes=1)
"""The longest a request may be on its way to the gateway."""


class Calls:
    """Calls the gateway for one service. ``deaths``: the next requests take effect, and the service is down for so long."""

    def __init__(self, service: Service, gateway: FakeGateway, watch: Watch) -> None:
        self._service, self._gateway, self._watch = service, gateway, watch
        self._env = service.env
        self.deaths: deque[timedelta] = deque()
        self._going: list[Event] = []
        self._breaker = Breaker()
        service.on_commit = self.start
        service.group.on_take = self.take_over

    def start(self, member: Member, changed: Payment | GatewayHealth) -> None:
        """A commit has touched a payment: what it waits for is due at once or later."""
        if isinstance(changed, GatewayHealth):
            self._breaker.know(changed.since, self._env.now.timestamp())
            return
        payment, operation = changed, changed.operation
        for requests in (member.asked, member.inherited):
            if requests.get(payment.checkout_id) != payment.serial:
                requests.pop(payment.checkout_id, None)
        if payment.due_at is None:
            return
        if operation and operation.is_first and not self._is_held(operation):
            self._call(member, payment)
        else:
            self._claim_later(payment)

    def take_over(self, member: Member, partition: Partition) -> None:
        """Whatever was under way for a partition is claimed anew: nobody will hear its answer."""
        for payment in self._service.aggregates[Payment].values():
            if payment.operation and self._env.partition_of(payment.cart_id) == partition.number:
                member.asked.pop(payment.checkout_id, None)
                member.inherited[payment.checkout_id] = payment.serial
                self._claim_later(payment)

    def _claim_later(self, payment: Payment) -> None:
        assert payment.due_at is not None
        claiming = Event(lambda: self._claim(claiming, payment.checkout_id))
        self._env.timers.set(max(payment.due_at, self._env.now), claiming)

    def _claim(self, claiming: Event, checkout_id: str) -> None:
        payment = self._service.aggregates[Payment][checkout_id]
        if payment.due_at is None or payment.due_at > self._env.now:
            self._env.ready.remove(claiming)
            return
        partition = self._service.group.partitions[self._env.partition_of(payment.cart_id)]
        if not partition.taken or partition.owner is None:
            partition.park(claiming)
            return
        if payment.operation is not None and self._is_held(payment.operation):
            self._hold(claiming, partition.owner, partition, payment)
            return
        if payment.operation is not None:
            self._call(partition.owner, payment)
        elif not self._service.commit(partition.owner, partition.number, [(None, AuthorizationAged(checkout_id))]):
            partition.park(claiming)
            return
        self._env.ready.remove(claiming)

    def _is_held(self, operation: PaymentOperation) -> bool:
        """Whether a request has to wait for the gateway's trouble to end; the next one that is due may be a probe."""
        return self._breaker.is_open and not operation.awaited_by_person

    def _hold(self, claiming: Event, member: Member, partition: Partition, payment: Payment) -> None:
        """A call waits, is made as a probe, or is given up when nobody can wait for it any longer."""
        operation, now = payment.operation, self._env.now
        assert operation is not None
        if payment.is_unwanted or now >= operation.gives_up_at:
            asked = (member.asked.get(payment.checkout_id), member.inherited.get(payment.checkout_id))
            up = OperationTimedOut(payment.checkout_id, payment.serial, payment.serial in asked)
            if self._service.commit(member, partition.number, [(None, up)]):
                self._env.ready.remove(claiming)
            else:
                partition.park(claiming)
        elif self._breaker.may_probe(0, now.timestamp()):
            self._breaker.probed(now.timestamp())
            self._env.ready.remove(claiming)
            self._call(member, payment)
        else:
            self._env.ready.remove(claiming)
            self._env.timers.set(min(now + HELD, max(operation.gives_up_at, now)), claiming)

    def _call(self, member: Member, payment: Payment) -> None:
        """The request leaves; when it arrives, and when its answer comes back, is not known."""
        if member.asked.get(payment.checkout_id) == payment.serial:
            return
        member.asked[payment.checkout_id] = payment.serial
        self._send(member, payment.cart_id, payment.serial, Request.of(payment, self._env.now))

    def _send(self, member: Member, cart_id: str, serial: int, request: Request) -> None:
        def arrive() -> None:
            self._going.remove(call)
            answer = self._arrive(member, request)
            again = member.inherited.get(request.reference) == serial
            answered = GatewayAnswered(request.reference, serial, answer, again, self._breaker.is_open and is_trouble(answer))
            seen = self._breaker.hear(answer, cart_id, self._env.now.timestamp())
            heard = [(None, trigger) for trigger in (seen, answered) if trigger is not None]
            epoch = member.epochs.get(partition.number)
            call.act = lambda: self._answer(call, member, partition, epoch, heard)

        partition = self._service.group.partitions[self._env.partition_of(cart_id)]
        call = Event(arrive)
        self._going.append(call)
        self._env.ready.add(call)

    def hurry(self) -> None:
        """Time passes: no request is longer on its way than :data:`STRAY`; its answer may have to wait."""
        for call in tuple(self._going):
            call.act()

    def _arrive(self, member: Member, request: Request) -> Answer | LookUp:
        if not self.deaths or not member.answers:
            return self._ask(request, self._gateway.next_fault())
        answer = self._ask(request, None)
        self._service.group.go_down(self._env.now + self.deaths.popleft())
        return answer

    def _ask(self, request: Request, fault: GatewayFault | None) -> Answer | LookUp:
        answer = self._gateway.ask(request, fault)
        if fault is not None:
            self._env.coverage.faults[f"gateway: {fault}"] += 1
        if self._env.timeline is not None:
            answered = f"FAULT: {fault}" if fault else type(answer).__name__
            self._env.note("gateway", f"{request.kind} {request.reference}: {answered}")
        if fault is GatewayFault.LATE and request.kind != "look_up":
            self._stray(request)
        self._watch.asked(self._gateway, request)
        return answer

    def _stray(self, request: Request) -> None:
        def arrive() -> None:
            self._env.ready.remove(stray)
            self._env.note("gateway", f"{request.kind} {request.reference} takes effect late")
            self._gateway.perform(request)
            self._watch.asked(self._gateway, request)

        stray = Event(arrive)
        self._env.timers.set(self._env.now + STRAY * self._env.chance(), stray)

    def _answer(self, call: Event, member: Member, partition: Partition, epoch: int | None, heard: Sequence[Input]) -> None:
        """The answer is committed like a message of its cart, by the process that asked, if it has kept the partition."""
        if member.paused:
            self._env.ready.remove(call)
            member.held.append(call)
        elif partition.owner is member and not partition.taken:
            partition.park(call)
        elif epoch is None or member.epochs.get(partition.number) != epoch:
            self._env.ready.remove(call)  # it is asked for anew
        elif self._service.commit(member, partition.number, heard) or partition.owner is not member:
            self._env.ready.remove(call)
        else:
            partition.park(call)
