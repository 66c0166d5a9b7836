"""Filling a cart: what is sold, at which price, and how much of it fits."""

from typing import Any

import pytest

from services.cart.model import MAX_QUANTITY, Product
from shared.contract.cart import (
    AddItem,
    ApplyCoupon,
    CartChanged,
    CartOpened,
    CheckoutChanged,
    OpenCart,
    RemoveCoupon,
    RemoveItem,
    SetQuantity,
)
from shared.contract.message import MAX_COUPONS, MAX_LINES
from shared.contract.products import PricesIgnored, ProductDelisted, ProductListed, ProductPriceChanged
from shared.contract.rejection import CommandRejected
from shared.contract.values import Item
from tests.support.facts import ITEMS, a
from tests.support.solo import Solo, codes, only
from tests.unit.cart.carts import cart, cart_in


def prices(made: Solo) -> dict[str, int]:
    """The unit price of every line."""
    return {sku: line.unit_price for sku, line in cart(made).lines.items()}


# --- the price projection


def test_what_the_catalogue_says_last_counts() -> None:
    made = Solo("cart")
    made.hear(ProductListed(sku="tea", name="Tea", prices={"EUR": 1, "JPY": 2}, tax_category="food", weight_grams=7))
    assert made.own(Product, "tea") == Product("tea", "Tea", {"EUR": 1, "JPY": 2}, "food", 7, listed=True)
    made.hear(ProductPriceChanged(sku="tea", name="Green tea", prices={"EUR": 3}))
    assert made.own(Product, "tea") == Product("tea", "Green tea", {"EUR": 3}, "standard", 0, listed=True)


def test_a_product_not_sold_any_more_keeps_its_name_and_may_come_back() -> None:
    made = Solo("cart")
    made.hear_all(a(ProductListed), a(ProductDelisted))
    assert (made.own(Product, "tea").name, made.own(Product, "tea").listed) == ("Tea", False)
    made.hear(a(ProductPriceChanged))
    assert made.own(Product, "tea").listed


@pytest.mark.parametrize("kind", [ProductListed, ProductPriceChanged])
def test_prices_in_currencies_we_do_not_know_are_left_out_and_told_once(kind: Any) -> None:
    made = Solo("cart")
    made.hear(a(ProductListed, sku="tea", prices={"EUR": 1000, "USD": 1100}))
    changed = kind(sku="tea", name="Tea", prices={"EUR": 1200, "ARS": 100, "AAA": 1})
    assert only(PricesIgnored, made.hear(changed)).currencies == ("AAA", "ARS")
    assert made.own(Product, "tea").prices == {"EUR": 1200}, "and no former price stays"
    assert made.hear(changed) == []
    assert made.hear(kind(sku="tea", name="Tea", prices={"EUR": 1200})) == []
    assert only(PricesIgnored, made.hear(changed))


def test_a_product_with_no_price_we_know_is_sold_in_no_currency() -> None:
    made = Solo("cart")
    made.hear(a(ProductListed, sku="tea", prices={"EUR": 1000}))
    made.hear(ProductPriceChanged(sku="tea", name="Tea", prices={"ARS": 100}))
    assert (made.own(Product, "tea").prices, made.own(Product, "tea").listed) == ({}, True)
    made.hear(a(OpenCart))
    assert codes(only(CommandRejected, made.hear(a(AddItem, sku="tea")))) == ["no_price"]


# --- opening and filling


def test_a_cart_is_opened_in_one_currency() -> None:
    made = Solo("cart")
    opened = only(CartOpened, made.hear(OpenCart(cart_id="cart1", currency="JPY", customer_id="ada")))
    assert opened == CartOpened(cart_id="cart1", currency="JPY", customer_id="ada")
    assert (cart(made).currency, cart(made).customer_id) == ("JPY", "ada")
    refused = only(CommandRejected, made.hear(a(OpenCart)))
    assert (codes(refused), cart(made).currency) == (["cart_exists"], "JPY")


def test_a_cart_that_is_opened_again_by_its_customer_is_there() -> None:
    made = cart_in("checkout")
    before = cart(made).items
    assert only(CartOpened, made.hear(a(OpenCart))).customer_id == "ada"
    assert (cart(made).state, cart(made).items) == ("checkout", before)
    assert codes(only(CommandRejected, made.hear(a(OpenCart, customer_id="bob")))) == ["cart_exists"]


def test_a_name_that_leaves_no_room_for_those_of_attempts_is_refused() -> None:
    made = Solo("cart")
    refused = only(CommandRejected, made.hear(a(OpenCart, cart_id="c" * 65)))
    assert (codes(refused), refused.reasons[0].subject) == (["cart_id_too_long"], "cart_id")
    only(CartOpened, made.hear(a(OpenCart, cart_id="c" * 64)))


@pytest.mark.parametrize("command", [AddItem, SetQuantity])
def test_only_what_is_sold_in_the_carts_currency_comes_in(command: type[AddItem | SetQuantity]) -> None:
    made = cart_in("active")
    made.hear_all(a(ProductListed, sku="pot", prices={"USD": 5}), a(ProductListed, sku="old"), a(ProductDelisted, sku="old"))
    for sku, code in (("pot", "no_price"), ("old", "not_sold"), ("never", "not_sold")):
        refused = only(CommandRejected, made.hear(a(command, sku=sku)))
        assert (codes(refused), refused.reasons[0].subject) == ([code], sku)
    assert cart(made).items == ITEMS


def test_a_product_is_quoted_at_the_price_it_was_first_put_in_at() -> None:
    made = cart_in("active")
    made.hear(a(ProductPriceChanged, sku="tea", prices={"EUR": 1200}))
    made.hear_all(a(AddItem, sku="tea"), a(SetQuantity, sku="tea", quantity=9))
    assert prices(made) == {"tea": 1000, "cup": 500}
    made.hear_all(a(RemoveItem, sku="tea"), a(AddItem, sku="tea"))
    assert prices(made) == {"tea": 1200, "cup": 500}


@pytest.mark.parametrize(("held", "more", "fits"), [(9_999, 1, True), (10_000, 1, False), (1, 10_000, False)])
def test_only_so_many_units_of_a_product_fit(held: int, more: int, fits: bool) -> None:
    made = cart_in("active")
    made.hear(a(SetQuantity, sku="tea", quantity=held))
    (said,) = made.hear(a(AddItem, sku="tea", quantity=more))
    if isinstance(said, CommandRejected):
        assert (codes(said), said.reasons[0].subject) == (["too_many_units"], "tea")
    assert isinstance(said, CartChanged if fits else CommandRejected)
    assert cart(made).lines["tea"].quantity == (MAX_QUANTITY if fits else held)


def test_only_so_many_products_fit_and_those_inside_may_still_change() -> None:
    made = cart_in("active")
    for n in range(MAX_LINES - 2):
        made.hear_all(a(ProductListed, sku=f"p{n}"), a(AddItem, sku=f"p{n}"))
    made.hear(a(ProductListed, sku="more"))
    assert codes(only(CommandRejected, made.hear(a(AddItem, sku="more")))) == ["too_many_lines"]
    assert len(only(CartChanged, made.hear(a(SetQuantity, sku="p0", quantity=2))).items) == MAX_LINES


def test_what_is_not_there_cannot_be_taken_out() -> None:
    made = cart_in("active")
    refused = [*made.hear(a(RemoveItem, sku="pot")), *made.hear(a(RemoveCoupon, code="NONE"))]
    reasons = [reason for refusal in refused if isinstance(refusal, CommandRejected) for reason in refusal.reasons]
    assert [(reason.code, reason.subject) for reason in reasons] == [("not_in_cart", "pot"), ("no_such_coupon", "NONE")]


def test_coupons_go_on_once_and_only_so_many() -> None:
    made = cart_in("active")
    refused = only(CommandRejected, made.hear(a(ApplyCoupon)))
    assert (codes(refused), refused.reasons[0].subject) == (["coupon_applied"], "TEN")
    for n in range(1, MAX_COUPONS):
        changed = only(CartChanged, made.hear(a(ApplyCoupon, code=f"C{n}")))
    assert changed.coupons == ("TEN", *(f"C{n}" for n in range(1, MAX_COUPONS)))
    assert codes(only(CommandRejected, made.hear(a(ApplyCoupon, code="MORE")))) == ["too_many_coupons"]
    assert only(CartChanged, made.hear(a(RemoveCoupon))).coupons[0] == "C1"


def test_a_cart_in_checkout_tells_inventory_of_each_change_in_order() -> None:
    made = cart_in("checkout")
    changes = made.hear_all(a(AddItem, sku="tea"), a(RemoveItem, sku="cup"), a(SetQuantity, sku="tea", quantity=1))
    assert [change.revision for change in changes if isinstance(change, CheckoutChanged)] == [1, 2, 3]
    assert changes[-1] == CheckoutChanged(
        cart_id="cart1", checkout_id="cart1.1", revision=3, items=(Item(sku="tea", quantity=1),)
    )


def test_a_refusal_names_the_command_and_the_state() -> None:
    made = cart_in("locked")
    refused = only(CommandRejected, made.hear(a(AddItem), message_id="m42"))
    assert (refused.command_id, refused.command_type, refused.command_key) == ("m42", "AddItem", "cart1")
    assert (codes(refused), refused.reasons[0].message) == (
        ["cart_locked"],
        "this checkout is confirmed; the cart cannot change until it ends",
    )
    assert codes(only(CommandRejected, Solo("cart").hear(a(AddItem)))) == ["no_cart"]
