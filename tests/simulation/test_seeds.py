"""Random stories: whatever the order of deliveries, whatever fails, the invariants hold at the end."""

import random

import pytest

from cli.demo.shop import BERLIN
from shared.contract.cart import (
    AbandonCheckout,
    AddItem,
    ApplyCoupon,
    ConfirmCheckout,
    OpenCart,
    SetPaymentMethod,
    SetShippingAddress,
    SetShippingMethod,
    StartCheckout,
)
from shared.contract.catalog import ProductListed
from shared.contract.inventory import ReceiveStock
from shared.contract.message import Message
from shared.contract.order import CancelOrder, DefineCoupon
from shared.contract.values import PaymentMethod
from tests.simulation.bank import Bank
from tests.simulation.invariants import check
from tests.simulation.world import World

TOKENS = ("ok", "ok", "ok", "decline_authorize", "refuse_capture", "refuse_capture+refuse_void", "refuse_refund")
CARTS = 4


def chosen(cart_id: str, token: str | None) -> list[Message]:
    """The commands between the start of a checkout and its confirmation."""
    method = PaymentMethod(kind="card", token=token) if token else PaymentMethod(kind="cash_on_delivery")
    return [
        StartCheckout(cart_id=cart_id),
        SetShippingAddress(cart_id=cart_id, address=BERLIN),
        SetShippingMethod(cart_id=cart_id, method="standard"),
        SetPaymentMethod(cart_id=cart_id, method=method),
    ]


def shop(world: World, stock: int) -> None:
    """Two products and a coupon that may be used twice."""
    for sku in ("a", "b"):
        world.send(ProductListed(sku=sku, name=sku, prices={"EUR": 1000}), ReceiveStock(sku=sku, quantity=stock))
    world.send(DefineCoupon(code="TWICE", kind="percentage", percent_off=1000, limit=2))
    world.settle()


def story(world: World, chance: random.Random) -> None:
    """Carts for too little stock, confirmed, confirmed again, abandoned and cancelled at any moment."""
    carts = [f"cart{n}" for n in range(CARTS)]
    for cart_id in carts:
        world.send(OpenCart(cart_id=cart_id, currency="EUR", customer_id="k"))
        world.send(AddItem(cart_id=cart_id, sku=chance.choice("ab"), quantity=chance.choice((1, 1, 2))))
        if chance.random() < 0.5:
            world.send(ApplyCoupon(cart_id=cart_id, code="TWICE"))
    for _ in range(2):
        for cart_id in carts:
            world.send(*chosen(cart_id, chance.choice((None, *TOKENS))))
            if chance.random() < 0.2:
                world.settle(hours=chance.choice((0, 0.3, 1)))
            world.send(ConfirmCheckout(cart_id=cart_id))
        for _ in range(chance.randrange(60)):
            world.step()
        for cart_id in carts:
            late = [
                ConfirmCheckout(cart_id=cart_id),
                AbandonCheckout(cart_id=cart_id),
                CancelOrder(cart_id=cart_id, checkout_id=f"{cart_id}.1", reason="r"),
                CancelOrder(cart_id=cart_id, checkout_id=f"{cart_id}.2", reason="r"),
            ]
            world.send(*chance.sample(late, chance.randrange(3)))
            for _ in range(chance.randrange(20)):
                world.step()
        world.settle(hours=chance.choice((0, 0, 2)))
    world.settle(hours=48)


@pytest.mark.parametrize("trouble", [0.0, 0.3])
def test_whatever_happens_the_invariants_hold(trouble: float) -> None:
    for seed in range(300):
        chance = random.Random(seed)
        world = World(seed, Bank(seed, trouble))
        shop(world, stock=chance.choice((2, 3, 20)))
        story(world, chance)
        try:
            check(world)
        except AssertionError as broken:
            raise AssertionError(f"seed {seed}, trouble {trouble}: {broken}") from broken
