"""The rows of the table of races up to the bill, and messages that come again, in every order that is possible."""

import pytest

from proofs.simulation.world import World
from services.cart.model import Cart, CartState
from services.inventory.model import ReservationState
from shared.contract.cart import (
    CartReopened,
    CheckoutAlreadyConfirmed,
    CheckoutChangeRejected,
    CheckoutCompleted,
    CheckoutConfirmed,
    CheckoutRejected,
    SetQuantity,
)
from shared.contract.inventory import (
    ReservationExtended,
    ReservationFailed,
    StockCommitted,
    StockReserved,
)
from shared.contract.order import DefineCoupon, OrderCancelled, OrderConfirmed, OrderRejected
from shared.contract.payment import PaymentAuthorized, PaymentVoided
from shared.contract.products import ProductPriceChanged
from shared.contract.values import Shortage
from tests.simulation.races import (
    COUPON,
    codes,
    confirm,
    fill,
    fill_in_flight,
    order_of,
    paid,
    prepare,
    race,
    reservation_of,
    until,
)

# --- ConfirmCheckout twice, concurrently or days apart


@pytest.mark.parametrize(
    ("token", "hours", "states"),
    [
        ("ok", 0, {"in_progress"}),
        ("ok", 72, {"completed"}),
        ("decline_authorize", 72, {"failed"}),
        ("refuse_capture", 72, {"failed"}),
    ],
)
def test_confirmed_twice_there_is_one_checkout_and_the_second_hears_of_the_first(
    token: str, hours: float, states: set[str]
) -> None:
    def play(world: World) -> str:
        prepare(world, "a", token=token)
        confirm(world, "a")
        if hours:
            world.settle(hours=hours)
        confirm(world, "a")
        world.settle()
        assert len(world.emitted(CheckoutConfirmed)) == 1
        assert len([entry for entry in world.gateway.intents if entry.captured]) == (token == "ok")
        (second,) = world.emitted(CheckoutAlreadyConfirmed)
        return str(second.state)

    race(play, *states)


# --- ReservationExtended before CheckoutConfirmed reaches order


def test_the_bill_waits_for_both_halves() -> None:
    def play(world: World) -> str:
        prepare(world, "a")
        confirm(world, "a")
        until(world, lambda: order_of(world).known)
        first = "reservation" if order_of(world).quote is None else "quote"
        assert order_of(world).totals is None
        world.settle()
        assert len(world.emitted(OrderConfirmed)) == 1
        return first

    race(play, "reservation", "quote")


# --- two carts, one last unit


def test_the_last_unit_goes_to_one_of_two() -> None:
    def play(world: World) -> str:
        starts = [fill(world, cart_id, quantity=2) for cart_id in "ab"]
        world.send(*starts[0], *starts[1])
        world.settle()
        (reserved,) = world.emitted(StockReserved)
        (failed,) = world.emitted(ReservationFailed)
        assert {reserved.cart_id, failed.cart_id} == {"a", "b"}
        assert failed.shortages == (Shortage(sku="tea", wanted=2, available=0),)
        confirm(world, "a", "b")
        world.settle()
        (completed,) = world.emitted(CheckoutCompleted)
        assert completed.cart_id == reserved.cart_id
        assert codes(world, CheckoutRejected, failed.cart_id) == ["no_session"]
        return str(reserved.cart_id)

    race(play, "a", "b")


# --- a change of a cart in checkout that there are too few units for


def test_a_change_that_cannot_be_had_is_told_and_cart_and_reservation_agree() -> None:
    def play(world: World) -> str:
        prepare(world, "a")
        world.send(SetQuantity(cart_id="a", sku="tea", quantity=5))
        world.go(int(world.env.chance() * 12))
        world.send(SetQuantity(cart_id="a", sku="tea", quantity=2), *fill_in_flight("b"))
        world.settle()
        cart, reservation = world.services["cart"].own(Cart, "a"), reservation_of(world)
        assert (cart.state, reservation.state) == (CartState.CHECKOUT, ReservationState.HELD)
        assert cart.items == reservation.items
        assert not world.emitted(ReservationFailed, cart_id="a")
        return f"{len(world.emitted(CheckoutChangeRejected))} told, {cart.lines['tea'].quantity} held"

    race(play, "0 told, 2 held", "1 told, 1 held", "1 told, 2 held", "2 told, 1 held")


def test_a_checkout_confirmed_before_its_change_was_judged_is_paid_as_reserved_or_not_at_all() -> None:
    def play(world: World) -> str:
        prepare(world, "a")
        world.send(SetQuantity(cart_id="a", sku="tea", quantity=5))
        world.go(int(world.env.chance() * 12))
        confirm(world, "a")
        world.settle()
        if world.emitted(OrderConfirmed):
            assert paid(world) == (1490, 0)
            assert len(world.emitted(CheckoutChangeRejected)) == 1
            return "told first"
        assert codes(world, CartReopened) == ["out_of_stock"]
        assert not world.gateway.intents
        return "confirmed first"

    race(play, "told first", "confirmed first")


# --- stock gone when confirmed


def test_stock_that_lapsed_is_had_again_or_its_lack_is_named_and_nothing_paid() -> None:
    def play(world: World) -> str:
        prepare(world, "a", quantity=2)
        world.settle(hours=0.3)
        assert reservation_of(world).state is ReservationState.EXPIRED
        world.send(*fill(world, "b"))
        confirm(world, "a")
        world.settle()
        if world.emitted(ReservationFailed, cart_id="b"):
            assert len(world.emitted(OrderConfirmed, cart_id="a")) == 1
            return "had again"
        (reopened,) = world.emitted(CartReopened, cart_id="a")
        assert reopened.shortages == (Shortage(sku="tea", wanted=2, available=1),)
        assert not world.gateway.intents
        return "gone"

    race(play, "had again", "gone")


# --- price changed, coupon expired or used up since the quote


def test_a_price_that_changed_before_the_confirmation_is_told_and_nothing_is_held_longer() -> None:
    def play(world: World) -> str:
        prepare(world, "a")
        world.send(ProductPriceChanged(sku="tea", name="Tea", prices={"EUR": 1100}))
        confirm(world, "a")
        world.settle()
        if world.emitted(OrderConfirmed):
            assert paid(world) == (1490, 0)
            return "confirmed first"
        assert codes(world, CheckoutRejected) == ["price_changed"]
        assert not world.emitted(ReservationExtended)
        assert not world.gateway.intents
        return "changed first"

    race(play, "confirmed first", "changed first")


def test_a_coupon_that_expired_before_the_bill_is_told_and_the_stock_let_go() -> None:
    def play(world: World) -> str:
        prepare(world, "a", coupon=COUPON)
        confirm(world, "a")
        world.send(DefineCoupon(code=COUPON, kind="percentage", percent_off=1000, limit=1, valid_until=world.now))
        world.settle()
        if world.emitted(OrderConfirmed):
            assert paid(world) == (1390, 0)
            return "billed first"
        assert codes(world, OrderRejected) == codes(world, CartReopened) == ["coupon_expired"]
        assert reservation_of(world).state is ReservationState.RELEASED
        assert not world.gateway.intents
        return "expired first"

    race(play, "billed first", "expired first")


def test_the_last_use_of_a_coupon_goes_to_one_of_two() -> None:
    def play(world: World) -> str:
        prepare(world, "a", "b", coupon=COUPON)
        confirm(world, "a", "b")
        world.settle()
        (confirmed,) = world.emitted(OrderConfirmed)
        other = "b" if confirmed.cart_id == "a" else "a"
        assert codes(world, OrderRejected, other) == ["coupon_used_up"]
        assert paid(world, other) == (0, 0)
        return str(confirmed.cart_id)

    race(play, "a", "b")


# --- the same message n times


@pytest.mark.parametrize("token", ["ok", "decline_authorize", "refuse_capture"])
def test_every_message_many_times_has_one_effect(token: str) -> None:
    def play(world: World) -> str:
        prepare(world, "a", token=token)
        confirm(world, "a")
        world.settle()
        ends = OrderConfirmed, OrderCancelled, CartReopened, CheckoutCompleted, PaymentAuthorized, StockCommitted, PaymentVoided
        assert all(len(world.emitted(end)) <= 1 for end in ends)
        assert len(world.emitted(CheckoutCompleted)) + len(world.emitted(CartReopened)) == 1
        assert sum(entry.captured for entry in world.gateway.intents) == (1490 if token == "ok" else 0)
        return "once"

    race(play, "once", twice=0.8)
