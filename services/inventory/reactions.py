"""What inventory does when something happened: step 3, the reservation's life, and the stock itself."""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from services.inventory.model import Policy, Reservation, ReservationState, Stock, without_units
from shared.contract.cart import CheckoutAbandoned, CheckoutChanged, CheckoutConfirmed, CheckoutStarted
from shared.contract.envelope import Envelope, refusal
from shared.contract.inventory import (
    AdjustStock,
    ReceiveStock,
    ReservationChangeRejected,
    ReservationExpired,
    ReservationExtended,
    ReservationFailed,
    ReservationLost,
    ReservationReleased,
    StockAdjusted,
    StockCommitted,
    StockReceived,
    StockReserved,
    StockReturned,
)
from shared.contract.order import OrderCancelled, OrderConfirmed, OrderCreated, OrderRejected
from shared.contract.payment import PaymentDeclined
from shared.contract.rejection import CommandRejected
from shared.contract.text import counted
from shared.contract.values import Item, Reason, Shortage
from shared.runtime.reactions import Emits, Reactions, Search

reactions = Reactions("inventory")
State = ReservationState


def reserved_skus(reservation: Reservation, *_: Any) -> Iterable[str]:
    """The SKUs a reservation holds."""
    return reservation.units


def reserved_skus_and(items: Callable[[Any], Iterable[Item]]) -> Callable[..., Iterable[str]]:
    """The SKUs a reservation holds and those of the message's items."""
    return lambda reservation, event, *_: dict.fromkeys([*reservation.units, *(item.sku for item in items(event))])


# --- the stock


@reactions.on(ReceiveStock)
def receive_stock(stock: Stock, command: ReceiveStock) -> Emits[StockReceived]:
    """Put units on the shelf."""
    stock.receive(command.quantity)
    yield StockReceived(sku=stock.sku, on_hand=stock.on_hand, reserved=stock.reserved, quantity=command.quantity)


def _shortfall(stock: Stock, command: AdjustStock) -> dict[str, Any] | None:
    """What to search reservations for: those that will not fit on the shelf any more."""
    missing = stock.reserved - (stock.on_hand + command.delta)
    return {"sku": stock.sku, "missing": missing} if missing > 0 else None


def _skus_reserved(stock: Stock, command: AdjustStock, reservations: dict[str, Reservation]) -> set[str]:
    return {sku for held in reservations.values() if held.live and stock.sku in held.units for sku in held.units}


@reactions.on(AdjustStock, reservations=Search("latest_of", _shortfall), stocks=_skus_reserved)
def adjust_stock(
    stock: Stock,
    command: AdjustStock,
    envelope: Envelope,
    reservations: dict[str, Reservation],
    stocks: dict[str, Stock],
    now: datetime,
) -> Emits[StockAdjusted | CommandRejected]:
    """The count is true at once: the latest reservations that do not fit are lost, whatever their checkouts have come to.

    Each tells of it by itself (:func:`expire_reservation`): events of a cart come from the owner of its partition, in order.
    """
    if stock.on_hand + command.delta < 0:
        message = f"only {counted(stock.on_hand, 'unit')} on hand"
        yield refusal(envelope, Reason(code="too_few_on_hand", message=message, subject="delta"))
        return
    stock.adjust(command.delta)
    for reservation, shortage in without_units(stock, reservations.values()):
        reservation.lose(shortage, stocks, now)
    yield StockAdjusted(
        sku=stock.sku,
        on_hand=stock.on_hand,
        reserved=stock.reserved,
        delta=command.delta,
        reason=command.reason,
    )


# --- holding units for a checkout


def _previous(reservation: Reservation, event: CheckoutStarted) -> list[str]:
    return [event.previous_checkout_id] if event.previous_checkout_id else []


def _started_skus(reservation: Reservation, event: CheckoutStarted, previous: dict[str, Reservation]) -> set[str]:
    return {item.sku for item in event.items}.union(*(p.units for p in previous.values()))


@reactions.on(CheckoutStarted, previous=_previous, stocks=_started_skus)
def reserve_stock(
    reservation: Reservation,
    event: CheckoutStarted,
    previous: dict[str, Reservation],
    stocks: dict[str, Stock],
    now: datetime,
    policy: Policy,
) -> Emits[StockReserved | ReservationFailed | ReservationReleased]:
    """Hold every unit of the cart, or none. What an earlier attempt of the cart still holds serves this one."""
    if reservation.state is not None:
        return
    for earlier in previous.values():
        if earlier.state is not State.COMMITTED:  # units that are sold come back with the end of their order only
            yield from _release(earlier, event.cart_id, stocks)
    reservation.cart_id = event.cart_id
    if shortages := reservation.take(event.items, stocks, now):
        yield _fail(reservation, shortages, stocks)
    else:
        expires_at = now + timedelta(seconds=policy.reservation_seconds)
        reservation.move(State.HELD, expires_at)
        yield StockReserved(**_ids(reservation), revision=0, items=reservation.items, expires_at=expires_at)


@reactions.on(CheckoutChanged, stocks=reserved_skus_and(lambda event: event.items))
def change_reservation(
    reservation: Reservation, event: CheckoutChanged, stocks: dict[str, Stock], now: datetime, policy: Policy
) -> Emits[StockReserved | ReservationChangeRejected | ReservationFailed]:
    """Hold what is in the cart now; of what is short, what was held before. Where that lapsed and is gone, all is over."""
    if reservation.state not in (State.HELD, State.EXPIRED) or event.revision <= reservation.revision:
        return
    shortages = reservation.shortages(event.items, stocks)
    if reservation.take(reservation.keep(event.items, [shortage.sku for shortage in shortages]), stocks, now):
        yield _fail(reservation, shortages, stocks)
        return
    expires_at = now + timedelta(seconds=policy.reservation_seconds)
    reservation.revision = event.revision
    reservation.move(State.HELD, expires_at)
    held = {**_ids(reservation), "revision": event.revision, "items": reservation.items}
    yield StockReserved(**held, expires_at=expires_at)
    if shortages:
        yield ReservationChangeRejected(**held, shortages=shortages)


@reactions.on(CheckoutConfirmed, stocks=reserved_skus_and(lambda event: event.quote.items))
def extend_reservation(
    reservation: Reservation, event: CheckoutConfirmed, stocks: dict[str, Stock], now: datetime, policy: Policy
) -> Emits[ReservationExtended | ReservationFailed]:
    """Step 3: hold the units while the payment is made; take them anew where they lapsed."""
    if reservation.state not in (None, State.HELD, State.EXPIRED):
        return
    reservation.cart_id = event.cart_id
    if shortages := reservation.take(event.quote.items, stocks, now):
        yield _fail(reservation, shortages, stocks)
        return
    expires_at = now + timedelta(seconds=policy.extension_seconds)
    reservation.revision = event.revision
    reservation.move(State.EXTENDED, expires_at)
    yield ReservationExtended(**_ids(reservation), items=reservation.items, expires_at=expires_at)


def _fail(reservation: Reservation, shortages: tuple[Shortage, ...], stocks: dict[str, Stock]) -> ReservationFailed:
    reservation.free(State.FAILED, stocks)
    return ReservationFailed(**_ids(reservation), shortages=shortages)


def _ids(reservation: Reservation) -> dict[str, Any]:
    return {"cart_id": reservation.cart_id, "checkout_id": reservation.checkout_id}


@reactions.on_timer(stocks=reserved_skus)
def expire_reservation(
    reservation: Reservation, stocks: dict[str, Stock]
) -> Emits[ReservationExpired | ReservationFailed | ReservationLost]:
    """The time is up: others may have the units. Or they were lost when the count was corrected, which is told now."""
    if loss := reservation.loss:
        reservation.loss, reservation.due_at = None, None
        kind = ReservationFailed if loss.held else ReservationLost
        yield kind(**_ids(reservation), shortages=loss.shortages)
        return
    reservation.free(State.EXPIRED, stocks)
    yield ReservationExpired(**_ids(reservation))


# --- the ends


@reactions.on(CheckoutAbandoned, stocks=reserved_skus)
def release_on_abandoned_checkout(
    reservation: Reservation, event: CheckoutAbandoned, stocks: dict[str, Stock]
) -> Emits[ReservationReleased]:
    """Before the confirmation only; after it, order has the last word and inventory waits for it.

    What has expired may have been confirmed before: it is left to order, as it holds no units.
    """
    if reservation.state in (None, State.HELD):
        yield from _release(reservation, event.cart_id, stocks)


@reactions.on(OrderRejected, stocks=reserved_skus)
def release_or_return_rejected(
    reservation: Reservation, event: OrderRejected, stocks: dict[str, Stock]
) -> Emits[ReservationReleased | StockReturned]:
    """No order: the units are free, and nothing that comes late takes them again."""
    yield from _release_or_return(reservation, event.cart_id, stocks)


@reactions.on(PaymentDeclined)
def keep_reserved_on_declined_payment(
    reservation: Reservation, event: PaymentDeclined, now: datetime, policy: Policy
) -> Emits[StockReserved]:
    """Keep the units a little, so that another card can be tried."""
    if reservation.state is State.EXTENDED:
        expires_at = now + timedelta(seconds=policy.retry_hold_seconds)
        reservation.move(State.HELD, expires_at)
        yield StockReserved(**_ids(reservation), revision=reservation.revision, items=reservation.items, expires_at=expires_at)


@reactions.on(OrderCreated, stocks=reserved_skus_and(lambda event: event.items))
def allocate_stock(
    reservation: Reservation, event: OrderCreated, stocks: dict[str, Stock], now: datetime
) -> Emits[ReservationLost]:
    """The order exists: its units have no TTL any more. Where they had expired and are gone, the order cannot be kept."""
    if reservation.closed or reservation.state is State.COMMITTED:
        return
    reservation.cart_id = event.cart_id
    if shortages := reservation.take(event.items, stocks, now):
        yield _lose(reservation, shortages, stocks)
    else:
        reservation.move(State.ALLOCATED)


@reactions.on(OrderConfirmed, stocks=reserved_skus)
def commit_stock(
    reservation: Reservation, event: OrderConfirmed, stocks: dict[str, Stock], now: datetime
) -> Emits[StockCommitted | ReservationLost]:
    """The units are sold, whether or not ``OrderCreated`` was handled before."""
    if reservation.state is None or reservation.closed or reservation.state is State.COMMITTED:
        return
    if shortages := reservation.take(reservation.items, stocks, now):
        yield _lose(reservation, shortages, stocks)
    else:
        reservation.commit(stocks)
        yield StockCommitted(**_ids(reservation), items=reservation.items)


def _lose(reservation: Reservation, shortages: tuple[Shortage, ...], stocks: dict[str, Stock]) -> ReservationLost:
    reservation.free(State.FAILED, stocks)
    return ReservationLost(**_ids(reservation), shortages=shortages)


@reactions.on(OrderCancelled, stocks=reserved_skus)
def release_or_return_cancelled(
    reservation: Reservation, event: OrderCancelled, stocks: dict[str, Stock]
) -> Emits[ReservationReleased | StockReturned]:
    """Units reserved are free again; units sold come back."""
    yield from _release_or_return(reservation, event.cart_id, stocks)


def _release_or_return(
    reservation: Reservation, cart_id: str, stocks: dict[str, Stock]
) -> Iterator[ReservationReleased | StockReturned]:
    if reservation.state is State.COMMITTED:
        reservation.take_back(stocks)
        yield StockReturned(**_ids(reservation), items=reservation.items)
    elif not reservation.closed:
        yield from _release(reservation, cart_id, stocks)


def _release(reservation: Reservation, cart_id: str, stocks: dict[str, Stock]) -> Iterator[ReservationReleased]:
    reservation.cart_id = cart_id
    if reservation.free(State.RELEASED, stocks):
        yield ReservationReleased(**_ids(reservation))
