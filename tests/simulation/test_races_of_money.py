"""The rows of the table of races from the authorization on, in every order that is possible."""

from datetime import timedelta

import pytest

from proofs.simulation.world import World
from services.inventory.model import Stock
from shared.contract.cart import (
    AbandonCheckout,
    CartReopened,
    CheckoutCompleted,
)
from shared.contract.inventory import (
    AdjustStock,
    ReservationExpired,
    ReservationLost,
    ReservationReleased,
    StockCommitted,
    StockReturned,
)
from shared.contract.message import Message
from shared.contract.order import CancelOrder, OrderCancelled, OrderConfirmed, OrderCreated, OrderRejected
from shared.contract.payment import CaptureFailed, PaymentAuthorized, PaymentRefunded, PaymentVoided
from shared.contract.rejection import CommandRejected
from tests.simulation.races import codes, confirm, fill_in_flight, order_of, paid, prepare, race, until, until_payment_is

# --- authorization comes after the reservation expired


def late_authorization(world: World) -> None:
    """The authorization is asked for, its answer is on its way, and the reservation's time is up."""
    prepare(world, "a", quantity=2)
    confirm(world, "a")
    until_payment_is(world, "authorizing")
    world.now += timedelta(minutes=31)


def test_stock_that_expired_before_the_authorization_is_taken_anew() -> None:
    def play(world: World) -> str:
        late_authorization(world)
        world.settle()
        assert len(world.emitted(OrderConfirmed)) == len(world.emitted(StockCommitted)) == 1
        return "expired first" if world.emitted(ReservationExpired) else "ordered first"

    race(play, "expired first", "ordered first")


def test_stock_that_is_gone_when_the_authorization_comes_cancels_the_order_and_the_money_goes_back() -> None:
    """The capture follows ``OrderCreated`` too, so it is under way when the order is cancelled: it lands and is refunded."""

    def play(world: World) -> str:
        late_authorization(world)
        world.send(*fill_in_flight("b"))
        world.settle()
        if not world.emitted(ReservationLost):
            assert len(world.emitted(OrderConfirmed, cart_id="a")) == 1
            return "kept"
        assert codes(world, OrderCancelled) == ["out_of_stock"]
        assert paid(world) == (2490, 2490)
        if world.emitted(OrderConfirmed, cart_id="a"):
            return "lost after the confirmation"
        assert codes(world, CartReopened) == ["out_of_stock"]
        return "lost"

    race(play, "kept", "lost", "lost after the confirmation")


# --- units counted away that are reserved


BEFORE, AFTER, SOLD = "before the order", "after the confirmation", "sold before"


@pytest.mark.parametrize(
    ("payment", "orders"),
    [
        ("authorizing", (BEFORE, "refunded", AFTER, SOLD)),
        ("authorized", (BEFORE, "refunded", AFTER, SOLD)),
        ("capturing", ("refunded", AFTER, SOLD)),
        ("captured", ("refunded", AFTER, SOLD)),
    ],
)
def test_units_that_are_not_there_end_the_checkout_and_the_money_goes_back(payment: str, orders: tuple[str, ...]) -> None:
    def play(world: World) -> str:
        prepare(world, "a", quantity=2)
        confirm(world, "a")
        until_payment_is(world, payment)
        world.send(AdjustStock(sku="tea", delta=-1, reason="damaged"))
        world.settle()
        if not world.emitted(ReservationLost):
            assert codes(world, CommandRejected, None) == ["too_few_on_hand"]
            assert (len(world.emitted(StockCommitted)), paid(world)) == (1, (2490, 0))
            return SOLD
        stock = world.services["inventory"].own(Stock, "tea")
        assert (stock.on_hand, stock.reserved) == (1, 0)
        captured, refunded = paid(world)
        assert captured == refunded
        if world.emitted(OrderRejected):
            assert codes(world, CartReopened) == ["out_of_stock"]
            return BEFORE
        assert codes(world, OrderCancelled) == ["out_of_stock"]
        return AFTER if world.emitted(OrderConfirmed) else "refunded"

    race(play, *orders)


# --- authorization comes after the checkout was abandoned or cancelled


@pytest.mark.parametrize("given_up", [False, True], ids=["cancelled", "abandoned"])
def test_an_authorization_for_a_checkout_that_is_over_is_voided(given_up: bool) -> None:
    end: Message = AbandonCheckout(cart_id="a") if given_up else CancelOrder(cart_id="a", checkout_id="a.1", reason="r")

    def play(world: World) -> str:
        prepare(world, "a")
        confirm(world, "a")
        until_payment_is(world, "authorizing")
        world.send(end)
        world.settle()
        captured, refunded = paid(world)
        if world.emitted(OrderConfirmed) and given_up:
            assert (captured, refunded) == (1490, 0)
            return "final before"
        assert captured == refunded
        assert len(world.emitted(CartReopened)) + len(world.emitted(CheckoutCompleted)) == 1
        if world.emitted(OrderCreated):
            assert len(world.emitted(OrderCancelled)) == 1
            return "ordered first"
        assert len(world.emitted(PaymentAuthorized)) == len(world.emitted(PaymentVoided)) == 1
        assert captured == 0
        return "over first"

    race(play, "over first", "ordered first", *(["final before"] if given_up else []))


# --- CancelOrder while capture is in flight; PaymentCaptured for a cancelled order


def cancel_during_capture(world: World, token: str) -> None:
    prepare(world, "a", token=token)
    confirm(world, "a")
    until_payment_is(world, "capturing")
    world.send(CancelOrder(cart_id="a", checkout_id="a.1", reason="r"))
    world.settle()
    assert order_of(world).state == "cancelled"
    assert len(world.emitted(OrderCancelled)) == 1


def test_a_capture_that_lands_beside_a_cancellation_is_refunded_and_the_order_stays_cancelled() -> None:
    def play(world: World) -> str:
        cancel_during_capture(world, "ok")
        assert paid(world) == (1490, 1490)
        assert len(world.emitted(PaymentRefunded)) == 1
        assert not world.emitted(PaymentVoided)
        return "confirmed first" if world.emitted(OrderConfirmed) else "cancelled first"

    race(play, "confirmed first", "cancelled first")


def test_a_capture_that_fails_beside_a_cancellation_is_voided() -> None:
    def play(world: World) -> str:
        cancel_during_capture(world, "refuse_capture")
        assert paid(world) == (0, 0)
        assert len(world.emitted(CaptureFailed)) == len(world.emitted(PaymentVoided)) == 1
        assert not world.emitted(PaymentRefunded)
        assert len(world.emitted(ReservationReleased)) == len(world.emitted(CartReopened)) == 1
        return "failed first" if world.emitted(CommandRejected) else "cancelled first"

    race(play, "failed first", "cancelled first")


# --- CancelOrder after OrderConfirmed


def test_a_confirmed_order_that_is_cancelled_is_refunded_and_its_stock_returned() -> None:
    def play(world: World) -> str:
        prepare(world, "a")
        confirm(world, "a")
        until(world, lambda: bool(world.emitted(OrderConfirmed)))
        world.send(CancelOrder(cart_id="a", checkout_id="a.1", reason="r"))
        world.settle()
        assert paid(world) == (1490, 1490)
        assert len(world.emitted(StockCommitted)) == len(world.emitted(StockReturned)) == 1
        assert len(world.emitted(CheckoutCompleted)) == 1
        assert not world.emitted(CartReopened)
        return "confirmed first"

    race(play, "confirmed first")
