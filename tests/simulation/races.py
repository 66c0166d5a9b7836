"""Races that must come out right (choreography), played on the real reactions of all four services.

A race is played with many seeds. Each time what came first is named and the outcome of that order is checked; a race in
which only one of its orders ever happened fails. What concerns the infrastructure alone is in tests/integration.
"""

from collections.abc import Callable

from proofs.simulation.invariants import check
from proofs.simulation.world import World
from services.inventory.model import Reservation
from services.order.model import Checkout
from services.payment.model import Payment
from shared.contract.cart import (
    AddItem,
    ApplyCoupon,
    ConfirmCheckout,
    OpenCart,
    SetPaymentMethod,
    SetShippingAddress,
    SetShippingMethod,
    StartCheckout,
)
from shared.contract.inventory import (
    ReceiveStock,
)
from shared.contract.message import Message
from shared.contract.order import DefineCoupon
from shared.contract.products import ProductListed
from shared.contract.values import PaymentMethod
from tests.support.facts import ADDRESS

SEEDS, MOST = 60, 600
COUPON = "ONCE"


def race(play: Callable[[World], str], *orders: str, twice: float = 0.1) -> None:
    """Play until each of these orders was seen, and no other; ``play`` names the one it saw, and checks its outcome."""
    seen: set[str] = set()
    for seed in range(MOST):
        if seed >= SEEDS and seen == set(orders):
            return
        world = World(seed, twice=twice)
        world.send(ProductListed(sku="tea", name="Tea", prices={"EUR": 1000}), ReceiveStock(sku="tea", quantity=2))
        world.send(DefineCoupon(code=COUPON, kind="percentage", percent_off=1000, limit=1))
        world.settle()
        seen.add(play(world))
        world.settle(hours=48)
        check(world)
        assert seen <= set(orders)
    raise AssertionError(f"only {seen} of {orders} was seen")


def fill(world: World, cart_id: str, token: str = "ok", quantity: int = 1, coupon: str | None = None) -> list[Message]:
    """The commands up to the confirmation of a cart of tea; those before the session are sent already."""
    world.send(OpenCart(cart_id=cart_id, currency="EUR", customer_id="k"))
    world.send(AddItem(cart_id=cart_id, sku="tea", quantity=quantity))
    if coupon:
        world.send(ApplyCoupon(cart_id=cart_id, code=coupon))
    world.settle()
    return [
        StartCheckout(cart_id=cart_id),
        SetShippingAddress(cart_id=cart_id, address=ADDRESS),
        SetShippingMethod(cart_id=cart_id, method="standard"),
        SetPaymentMethod(cart_id=cart_id, method=PaymentMethod(kind="card", token=token)),
    ]


def prepare(world: World, *cart_ids: str, token: str = "ok", quantity: int = 1, coupon: str | None = None) -> None:
    """Carts of tea, ready to be confirmed."""
    for cart_id in cart_ids:
        world.send(*fill(world, cart_id, token, quantity, coupon))
    world.settle()


def confirm(world: World, *cart_ids: str) -> None:
    for cart_id in cart_ids:
        world.send(ConfirmCheckout(cart_id=cart_id))


def until(world: World, reached: Callable[[], bool]) -> None:
    """Let things happen, one by one, until this is so."""
    while not reached():
        assert world.step(), "nothing is left that could happen"


def until_payment_is(world: World, state: str) -> None:
    until(world, lambda: world.services["payment"].own(Payment, "a.1").state == state)


def order_of(world: World, cart_id: str = "a") -> Checkout:
    return world.services["order"].own(Checkout, f"{cart_id}.1")


def reservation_of(world: World, cart_id: str = "a") -> Reservation:
    return world.services["inventory"].own(Reservation, f"{cart_id}.1")


def codes(world: World, kind: type[Message], cart_id: str | None = "a") -> list[str]:
    """The codes of the reasons of the one event of this type. ``cart_id``: of which cart, where it is of one."""
    (event,) = world.emitted(kind, **({"cart_id": cart_id} if cart_id else {}))
    return [reason.code for reason in event.reasons]


def paid(world: World, cart_id: str = "a") -> tuple[int, int]:
    """What the gateway captured and gave back for a cart, in all."""
    entries = [entry for entry in world.gateway.intents if entry.reference == f"{cart_id}.1"]
    return sum(entry.captured for entry in entries), sum(entry.refunded for entry in entries)


def fill_in_flight(cart_id: str) -> list[Message]:
    """As :func:`fill`, with nothing handled yet."""
    return [
        OpenCart(cart_id=cart_id, currency="EUR", customer_id="k"),
        AddItem(cart_id=cart_id, sku="tea"),
        StartCheckout(cart_id=cart_id),
    ]
