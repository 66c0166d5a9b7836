"""Stories: what customers and staff do to a world and what goes wrong, in a list that can be read, replayed and cut down."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from proofs.simulation.coverage import Coverage
from proofs.simulation.faults import CommitFault, GatewayFault, ServiceFault
from proofs.simulation.gateway import FakeGateway
from proofs.simulation.invariants import check
from proofs.simulation.races import AWAY
from proofs.simulation.timeline import Timeline
from proofs.simulation.world import World
from services.cart.model import Cart
from services.order.model import Checkout, CheckoutState
from services.payment.model import Payment, PaymentState
from shared.contract.message import Message
from shared.contract.payment import MarkRefunded, MarkVoided


@dataclass(frozen=True, slots=True)
class Send:
    """Somebody publishes a message. ``dead_for``: so many hours, where the reaction to it has a bug."""

    message: Message
    dead_for: float = 0.0

    def play(self, world: World) -> None:
        """Do it."""
        if self.dead_for:
            world.dead_letter_next(type(self.message), hours=self.dead_for)
        world.send(self.message)


@dataclass(frozen=True, slots=True)
class Go:
    """So many steps, of whatever can happen."""

    steps: int

    def play(self, world: World) -> None:
        """Do it."""
        world.go(self.steps)


@dataclass(frozen=True, slots=True)
class Settle:
    """All that can happen does, and so it goes on for some hours."""

    hours: float = 0.0

    def play(self, world: World) -> None:
        """Do it."""
        world.settle(hours=self.hours)


@dataclass(frozen=True, slots=True)
class Wait:
    """Hours pass in which nothing is done; what becomes due in them comes on top of what waits."""

    hours: float

    def play(self, world: World) -> None:
        """Do it."""
        world.pass_to(world.now + timedelta(hours=self.hours))


@dataclass(frozen=True, slots=True)
class Amid:
    """Something is done as soon as the payment of a checkout is in this state, or after so many steps."""

    checkout_id: str
    state: PaymentState
    then: Send | Wait
    steps: int = 200

    def play(self, world: World) -> None:
        """Do it."""
        payments = world.services["payment"].aggregates[Payment]
        for _ in range(self.steps):
            payment = payments.get(self.checkout_id)
            if (payment is not None and payment.state is self.state) or not world.step():
                break
        self.then.play(world)


@dataclass(frozen=True, slots=True)
class Inject:
    """Something goes wrong: now, or with the next commit of a service, or with the next request to the gateway."""

    what: CommitFault | ServiceFault | GatewayFault
    where: str
    hours: float = 0.0

    def play(self, world: World) -> None:
        """Do it."""
        if self.what is GatewayFault.TROUBLE:
            world.gateway.troubled_until = world.now + timedelta(hours=self.hours)
        elif isinstance(self.what, GatewayFault):
            world.gateway.faults.append(self.what)
        elif isinstance(self.what, CommitFault):
            world.services[self.where].faults.append(self.what)
        else:
            world.coverage.faults[self.what] += 1
            world.coverage.races[AWAY] += self.what in (ServiceFault.DATABASE_AWAY, ServiceFault.BROKER_AWAY)
            world.env.note(self.where, f"FAULT: {self.what}" + (f" for {self.hours:g} h" if self.hours else ""))
            world.inject(self.what, self.where, self.hours)


@dataclass(frozen=True, slots=True)
class ByHand:
    """Staff looks into a payment for some minutes, gives the money back by hand where an alert asks for it, and says so."""

    command: MarkVoided | MarkRefunded

    def play(self, world: World) -> None:
        """Do it."""
        world.settle(hours=0.1)
        payment = world.services["payment"].own(Payment, self.command.checkout_id)
        failed = PaymentState.VOID_FAILED if isinstance(self.command, MarkVoided) else PaymentState.REFUND_FAILED
        if payment.state is failed:
            world.settle(hours=0.1)  # what is on its way to the gateway arrives while they look
            world.gateway.undo_by_hand(self.command.checkout_id)
        if payment.state is failed or payment.state in OVER:
            world.send(self.command)


OVER: Final = (PaymentState.DECLINED, PaymentState.VOIDED, PaymentState.REFUNDED)
"""States in which saying that money was given back by hand is a mistake that does no harm."""
FaultProfile = tuple[float, tuple[GatewayFault, ...]]
"""The part of requests a gateway fails, and the ways in which it does."""
Action = Send | Go | Settle | Wait | Amid | Inject | ByHand


@dataclass(frozen=True)
class Story:
    """What is done to a world whose dice fall as ``seed`` says. ``faults``: of the gateway, all the time."""

    seed: int
    faults: FaultProfile
    actions: Sequence[Action] = field(repr=False)

    def play(self, coverage: Coverage | None = None, timeline: Timeline | None = None) -> World:
        """Play it to its end. Raises :class:`proofs.simulation.watch.BrokenError`."""
        world = World(self.seed, FakeGateway(self.seed, *self.faults), coverage=coverage, timeline=timeline)
        for action in self.actions:
            action.play(world)
        world.rest()
        check(world)
        if coverage is not None:
            _count(world, coverage)
        return world


def _count(world: World, coverage: Coverage) -> None:
    coverage.stories += 1
    coverage.checkouts += sum(cart.attempts for cart in world.services["cart"].aggregates[Cart].values())
    orders = world.services["order"].aggregates[Checkout].values()
    coverage.orders += sum(checkout.state is CheckoutState.CONFIRMED for checkout in orders)
