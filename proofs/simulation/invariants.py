"""The invariants of the choreography, on a world that has come to rest."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Protocol

from proofs.simulation.faults import DeadLetter
from proofs.simulation.gateway import FakeGateway, is_foreign
from proofs.simulation.watch import BrokenError, Watch
from proofs.simulation.wiring import wiring
from proofs.simulation.world import World
from services.cart.model import Cart, CartState
from services.inventory.model import Reservation, ReservationState, Stock
from services.order.coupon import Coupon
from services.order.model import Checkout, CheckoutState
from services.payment.model import Payment, PaymentState

PAID: Final = (PaymentState.CAPTURED, PaymentState.DEFERRED, PaymentState.PAID)
STUCK: Final = (PaymentState.VOID_FAILED, PaymentState.REFUND_FAILED)


class Books(Protocol):
    """A service's aggregates, by type and id."""

    @property
    def aggregates(self) -> Mapping[type[Any], Mapping[str, Any]]:
        """All of them."""
        ...


class Rested(Protocol):
    """Where nothing will happen any more by itself: the books of every service, the gateway's, and what was seen."""

    gateway: FakeGateway
    watch: Watch

    @property
    def now(self) -> datetime:
        """The clock."""
        ...

    @property
    def services(self) -> Mapping[str, Books]:
        """The services, by name."""
        ...


def check(world: World) -> None:
    """Raises :class:`BrokenError` naming the first that is broken."""
    check_books(world)
    _events(world)


def check_books(world: Rested) -> None:
    """The same, but for the events on their way."""
    _money(world)
    _alerts(world)
    _stock(world)
    _progress(world)
    _coupons(world)


def _money(world: Rested) -> None:
    """1. captured - refunded = total where the order is confirmed and not deferred, else 0; nothing held without an alert."""
    checkouts = world.services["order"].aggregates[Checkout]
    alerted = world.watch.alerts
    kept: Counter[str] = Counter()
    for intent in world.gateway.intents:
        reference, status = intent.reference, intent.status(world.now.timestamp())
        if is_foreign(intent):
            if status not in ("authorized", "expired"):
                raise BrokenError("money", reference, f"somebody else's payment is {status}")
            continue
        kept[reference] += intent.captured - intent.refunded - intent.pending
        if reference not in alerted and status in ("authorized", "processing"):
            raise BrokenError("money", reference, "is still held, and no alert is open")
    for checkout_id, checkout in checkouts.items():
        confirmed = checkout.state is CheckoutState.CONFIRMED and checkout.payment == "authorized"
        due = checkout.totals.total if confirmed and checkout.totals else 0
        if checkout_id not in alerted and kept[checkout_id] != due:
            raise BrokenError("money", checkout_id, f"kept {kept[checkout_id]}, but {due} are owed: order {checkout.state}")
    for reference in kept.keys() - checkouts.keys():
        raise BrokenError("money", reference, "has money at the gateway and no checkout")


def _alerts(world: Rested) -> None:
    """An alert is open where money is stuck, and nowhere else; and money is stuck only where the gateway failed us."""
    for payment in world.services["payment"].aggregates[Payment].values():
        stuck, alerted = payment.state in STUCK, payment.checkout_id in world.watch.alerts
        if stuck != alerted:
            raise BrokenError("alerts", payment.checkout_id, f"is {payment.state}; an alert is open: {alerted}")
        if alerted and payment.token is not None and not world.gateway.refusals[payment.checkout_id]:
            raise BrokenError("alerts", payment.checkout_id, "is stuck, though the gateway never failed it")


def _stock(world: Rested) -> None:
    """2. Reserved and committed are the sums of the reservations that are so; after days, none is held any more."""
    reserved: Counter[str] = Counter()
    committed: Counter[str] = Counter()
    for reservation in world.services["inventory"].aggregates[Reservation].values():
        if reservation.live:
            reserved.update(reservation.units)
        if reservation.state is ReservationState.COMMITTED:
            committed.update(reservation.units)
    for stock in world.services["inventory"].aggregates[Stock].values():
        if stock.reserved != reserved[stock.sku] or stock.committed != committed[stock.sku]:
            wrong = f"are held, and {committed[stock.sku]} sold, by the reservations: {stock}"
            raise BrokenError("stock", stock.sku, f"{reserved[stock.sku]} {wrong}")
        if stock.reserved:
            raise BrokenError("stock", stock.sku, f"has {stock.reserved} units reserved, though all is over")


def _progress(world: Rested) -> None:
    """3. Every checkout has come to its end, in every service the same, and no deadline was forgotten."""
    payments = world.services["payment"].aggregates[Payment]
    reservations = world.services["inventory"].aggregates[Reservation]
    for checkout in world.services["order"].aggregates[Checkout].values():
        if checkout.known:
            _ended(checkout, payments.get(checkout.checkout_id), reservations.get(checkout.checkout_id))
    _carts(world)
    for name, books in world.services.items():
        for kind in wiring(name).timers:
            for aggregate in books.aggregates[kind].values():
                if aggregate.due_at is not None and aggregate.due_at <= world.now:
                    raise BrokenError("deadlines", str(aggregate), "was due and nothing happened")


def _carts(world: Rested) -> None:
    checkouts = world.services["order"].aggregates[Checkout]
    carts = world.services["cart"].aggregates[Cart]
    for cart in carts.values():
        if cart.state in (CartState.LOCKED, CartState.CHECKOUT):
            raise BrokenError("progress", cart.cart_id, f"is still {cart.state}")
    for checkout_id, cart_id in world.watch.confirmed.items():
        ended = checkouts.get(checkout_id)
        if ended is None or ended.open:
            raise BrokenError("progress", checkout_id, "was confirmed and came to no end")
        if ended.state is CheckoutState.CONFIRMED and carts[cart_id].state is not CartState.INACTIVE:
            raise BrokenError("progress", checkout_id, f"has an order, and its cart is {carts[cart_id].state}")


def _ended(checkout: Checkout, payment: Payment | None, reservation: Reservation | None) -> None:
    state = payment.state if payment else None
    units = reservation.state if reservation else None
    if payment is not None and payment.operation is not None:
        raise BrokenError("progress", checkout.checkout_id, f"waits for its {payment.operation.kind}")
    if checkout.state is CheckoutState.CONFIRMED:
        right = state in PAID and units is ReservationState.COMMITTED
    else:
        right = checkout.state in (CheckoutState.CLOSED, CheckoutState.CANCELLED)
        right = right and state not in (*PAID, PaymentState.AUTHORIZED, PaymentState.CAPTURE_FAILED)
        right = right and units not in (ReservationState.ALLOCATED, ReservationState.COMMITTED, ReservationState.EXTENDED)
    if not right:
        wrong = f"ended in different ways: order {checkout.state}, payment {state}, units {units}"
        raise BrokenError("progress", checkout.checkout_id, wrong)


def _coupons(world: Rested) -> None:
    """4. Each redemption is that of an order that stands."""
    redeemed: Counter[str] = Counter()
    for checkout in world.services["order"].aggregates[Checkout].values():
        if checkout.state is CheckoutState.CONFIRMED and checkout.quote:
            redeemed.update(set(checkout.quote.coupons))
    for coupon in world.services["order"].aggregates[Coupon].values():
        if coupon.redeemed != redeemed[coupon.code]:
            wrong = f"counts {coupon.redeemed} redemptions, but {redeemed[coupon.code]} orders have it"
            raise BrokenError("coupons", coupon.code, wrong)


def _events(world: World) -> None:
    """5. What was committed is published, and what was published is handled, by everybody who reads it."""
    for name, service in world.services.items():
        for rows in service.database.outbox:
            if rows:
                raise BrokenError("outbox", name, f"has {len(rows)} committed events that are not published")
        for partition in service.group.partitions:
            for feed in partition.feeds:
                _handled(name, service.database.inbox, feed.records)
    letters = Counter(message.of for message in world.log if isinstance(message, DeadLetter))
    dead = {f"{name}/{message}" for name, service in world.services.items() for message in service.dead}
    if letters != world.watch.garbage + Counter(dead):
        raise BrokenError("dead letters", str(letters), f"are not those of {world.watch.garbage} and {dead}")


def _handled(name: str, inbox: Mapping[str, Any], records: list[Any]) -> None:
    for envelope, _ in records:
        if envelope.id not in inbox:
            raise BrokenError("inbox", f"{name}: {envelope.type} {envelope.id}", "was published and never handled")
