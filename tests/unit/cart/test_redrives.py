"""What is redriven long after it failed changes nothing that came since."""

from typing import Any

import pytest

from services.cart.model import Product
from shared.contract.cart import (
    AbandonCheckout,
    AddItem,
    ApplyCoupon,
    CartOpened,
    CheckoutChanged,
    CheckoutConfirmed,
    ConfirmCheckout,
    OpenCart,
    PreviewCheckout,
    RemoveItem,
    SetPaymentMethod,
    SetQuantity,
)
from shared.contract.products import ProductDelisted, ProductListed, ProductPriceChanged
from shared.contract.rejection import CommandRejected
from tests.support.facts import CASH, a
from tests.support.solo import Solo, codes, only
from tests.unit.cart.carts import CHOSEN, READY, cart, cart_in

COMMANDS = [
    (a(AddItem, sku="cup"), "active"),
    (a(SetQuantity, sku="tea"), "active"),
    (a(RemoveItem, sku="tea"), "active"),
    (a(ApplyCoupon, code="OTHER"), "active"),
    (a(SetPaymentMethod, method=CASH), "ready"),
    (a(ConfirmCheckout), "ready"),
    (a(AbandonCheckout), "ready"),
]


def redriven(made: Solo, trigger: Any, offset: int) -> list[Any]:
    """What follows from a redrive of what first stood at this offset."""
    return made.hear(trigger, "redriven", offset=offset, redriven=True)


@pytest.mark.parametrize(("command", "state"), COMMANDS, ids=lambda told: type(told).__name__)
def test_a_command_is_refused_where_a_later_one_has_changed_the_cart(command: Any, state: str) -> None:
    made = cart_in(state)
    made.hear(a(AddItem, sku="tea", quantity=7), "later", offset=20)
    before = repr(cart(made))
    assert codes(only(CommandRejected, redriven(made, command, offset=19))) == ["superseded"]
    assert repr(cart(made)) == before


@pytest.mark.parametrize(("command", "state"), COMMANDS, ids=lambda told: type(told).__name__)
def test_a_command_is_granted_where_nothing_came_since(command: Any, state: str) -> None:
    made = cart_in(state)
    made.hear(a(AddItem, sku="tea", quantity=1), "before", offset=20)
    (event,) = redriven(made, command, offset=21)
    assert not isinstance(event, CommandRejected)


def test_the_first_command_of_a_topic_may_be_redriven() -> None:
    (event,) = redriven(Solo("cart"), a(OpenCart), offset=0)
    assert isinstance(event, CartOpened)


def test_nobody_is_charged_for_an_attempt_they_gave_up() -> None:
    made = cart_in("active")
    for offset, command in enumerate((*READY[-4:], a(AbandonCheckout), *READY[-4:])):
        made.hear(command, f"m{offset}", offset=offset)
    assert codes(only(CommandRejected, redriven(made, a(ConfirmCheckout), offset=3))) == ["superseded"]
    assert cart(made).state == "checkout"


def test_what_was_refused_or_only_asked_is_nothing_that_came_since() -> None:
    made = cart_in("ready")
    made.hear(a(SetQuantity, sku="unknown"), "refused", offset=30)
    made.hear(a(PreviewCheckout), "asked", offset=31)
    assert isinstance(redriven(made, a(ConfirmCheckout), offset=20)[0], CheckoutConfirmed)


def test_a_late_command_that_is_no_redrive_is_handled_whatever_its_offset() -> None:
    """The topic may be a new one, with offsets that begin anew."""
    made = cart_in("ready")
    made.hear(CHOSEN[0], "old topic", offset=1_000)
    assert isinstance(made.hear(a(AddItem, sku="cup"), "new topic", offset=0)[0], CheckoutChanged)
    assert isinstance(redriven(made, a(AddItem, sku="cup"), offset=1)[0], CheckoutChanged)


@pytest.mark.parametrize("late", [ProductListed, ProductPriceChanged, ProductDelisted])
def test_the_catalogue_s_last_word_stands(late: type[Any]) -> None:
    made = cart_in("active")
    made.hear(a(ProductPriceChanged, sku="tea", name="Tea", prices={"EUR": 1200}), "later", offset=8)
    assert redriven(made, a(late, sku="tea"), offset=7) == []
    product = made.own(Product, "tea")
    assert (product.prices, product.listed, product.position) == ({"EUR": 1200}, True, 8)


def test_what_was_delisted_since_is_not_listed_by_a_redrive() -> None:
    made = cart_in("active")
    made.hear(a(ProductDelisted, sku="tea"), "later", offset=8)
    redriven(made, a(ProductListed, sku="tea"), offset=7)
    assert not made.own(Product, "tea").listed


def test_a_redriven_fact_of_the_catalogue_counts_where_it_is_the_last() -> None:
    made = cart_in("active")
    made.hear(a(ProductListed, sku="tea", prices={"EUR": 900}), "before", offset=6)
    redriven(made, a(ProductDelisted, sku="tea"), offset=7)
    assert not made.own(Product, "tea").listed
