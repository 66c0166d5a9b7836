"""The invariants of the choreography, on a world that has come to rest."""

from collections import Counter

from services.cart.model import Cart, CartState
from services.inventory.model import Reservation, ReservationState, Stock
from services.order.coupon import Coupon
from services.order.model import Checkout, CheckoutState
from services.payment.model import Payment, PaymentState
from shared.contract.payment import FailedCompensation
from tests.simulation.world import World


def check(world: World) -> None:
    """Raises ``AssertionError`` naming the first that is broken."""
    _money(world)
    _stock(world)
    _progress(world)
    _coupons(world)


def _money(world: World) -> None:
    checkouts = world.dancers["order"].aggregates[Checkout]
    alerted = {m.checkout_id for m in world.log if isinstance(m, FailedCompensation)}
    for reference in {e.reference for e in world.bank.entries}:
        entries = [e for e in world.bank.entries if e.reference == reference]
        checkout = checkouts[reference]
        kept = sum(e.captured - e.refunded for e in entries)
        held = sum(e.status == "authorized" for e in entries)
        due = checkout.totals.total if checkout.state is CheckoutState.CONFIRMED and checkout.totals else 0
        assert sum(e.captured > 0 for e in entries) <= 1, f"{reference} was charged twice"
        if reference not in alerted:
            assert kept == due, f"{reference}: kept {kept}, due {due}, order {checkout.state}"
            assert not held, f"{reference}: money is held, order {checkout.state}"


def _stock(world: World) -> None:
    reserved: Counter[str] = Counter()
    for reservation in world.dancers["inventory"].aggregates[Reservation].values():
        if reservation.live:
            reserved.update(reservation.units)
        order = world.dancers["order"].aggregates[Checkout].get(reservation.checkout_id)
        sold = order is not None and order.state is CheckoutState.CONFIRMED
        assert reservation.state is not ReservationState.ALLOCATED, f"nothing will ever free this: {reservation}"
        assert sold or reservation.state is not ReservationState.COMMITTED, f"nobody bought this: {reservation}"
    for stock in world.dancers["inventory"].aggregates[Stock].values():
        assert stock.received + stock.adjusted == stock.on_hand + stock.committed, stock
        assert 0 <= stock.reserved <= stock.on_hand, stock
        assert stock.reserved == reserved[stock.sku], stock


def _progress(world: World) -> None:
    payments = world.dancers["payment"].aggregates[Payment]
    for checkout in world.dancers["order"].aggregates[Checkout].values():
        if not checkout.cart_id:
            continue
        assert checkout.state not in (CheckoutState.WAITING, CheckoutState.PAYING, CheckoutState.CREATED), checkout
        payment = payments.get(checkout.checkout_id)
        assert payment is None or payment.operation is None, payment
        if checkout.state is CheckoutState.CONFIRMED:
            assert payment is not None
            assert payment.state in (PaymentState.CAPTURED, PaymentState.DEFERRED, PaymentState.PAID), payment
    for cart in world.dancers["cart"].aggregates[Cart].values():
        assert cart.state is not CartState.LOCKED, cart


def _coupons(world: World) -> None:
    redeemed: Counter[str] = Counter()
    for checkout in world.dancers["order"].aggregates[Checkout].values():
        if checkout.coupons_redeemed and checkout.quote:
            redeemed.update(set(checkout.quote.coupons))
    for coupon in world.dancers["order"].aggregates[Coupon].values():
        assert coupon.redeemed == redeemed[coupon.code], coupon
        assert coupon.redemption_limit is None or coupon.redeemed <= coupon.redemption_limit, coupon
