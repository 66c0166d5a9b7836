"""The session: its start, what is chosen, the confirmation with all that stands against it, and its end."""

from datetime import timedelta

import pytest

from services.cart.model import MAX_CART_ID, Cart
from shared.contract.cart import (
    AddItem,
    CartReopened,
    CheckoutAbandoned,
    CheckoutAlreadyConfirmed,
    CheckoutAlreadyStarted,
    CheckoutChangeRejected,
    CheckoutConfirmed,
    CheckoutDetailsSet,
    CheckoutRejected,
    CheckoutStarted,
    ConfirmCheckout,
    OpenCart,
    PreviewCheckout,
    PreviewRequested,
    RemoveItem,
    SetPaymentMethod,
    SetQuantity,
    SetShippingAddress,
    SetShippingMethod,
    StartCheckout,
)
from shared.contract.inventory import ReservationChangeRejected, ReservationFailed
from shared.contract.order import OrderCancelled, OrderRejected
from shared.contract.payment import PaymentDeclined
from shared.contract.products import ProductDelisted, ProductPriceChanged
from shared.contract.rejection import CommandRejected
from shared.contract.values import Item, Reason, Shortage
from tests.support.clock import NOW
from tests.support.facts import CART, CASH, CHECKOUT, ITEMS, NEXT, QUOTE, a
from tests.support.solo import Solo, codes, only
from tests.unit.cart.carts import ABANDON, STATES, cart, cart_in

QUOTED = QUOTE.model_copy(update={"coupons": ("TEN",)})
LONGEST = "c" * MAX_CART_ID


# --- the session


def test_a_checkout_starts_with_what_is_in_the_cart_and_for_a_while() -> None:
    made = cart_in("active")
    started = only(CheckoutStarted, made.hear(a(StartCheckout)))
    assert (started.checkout_id, started.previous_checkout_id, started.items) == (CHECKOUT, None, ITEMS)
    assert started.expires_at == cart(made).due_at == NOW + timedelta(seconds=1800)


def test_a_second_start_is_answered_with_the_session_there_is() -> None:
    made = cart_in("checkout")
    made.hear_all(a(SetShippingMethod), a(AddItem, sku="tea"))
    again = only(CheckoutAlreadyStarted, made.hear(a(StartCheckout), message_id="m7"))
    assert (again.checkout_id, again.command_id, again.expires_at) == (CHECKOUT, "m7", NOW + timedelta(seconds=1800))
    assert again.missing == ("shipping_address", "payment_method")
    assert again.items == (Item(sku="tea", quantity=3), Item(sku="cup", quantity=1))


def test_a_reopened_cart_gets_a_new_attempt_that_names_the_one_before() -> None:
    made = cart_in("failed")
    started = only(CheckoutStarted, made.hear(a(StartCheckout)))
    assert (started.checkout_id, started.previous_checkout_id) == (NEXT, CHECKOUT)
    assert cart(made).failed is False


def test_the_longest_name_of_a_cart_leaves_room_for_its_attempts() -> None:
    made = cart_in("active")
    made.hear_all(a(OpenCart, cart_id=LONGEST), a(AddItem, cart_id=LONGEST))
    made.own(Cart, LONGEST).attempts = 10**14
    assert only(CheckoutStarted, made.hear(a(StartCheckout, cart_id=LONGEST))).checkout_id == f"{LONGEST}.{10**14 + 1}"


@pytest.mark.parametrize("command", [StartCheckout, PreviewCheckout])
def test_an_empty_cart_cannot_be_checked_out(command: type[StartCheckout | PreviewCheckout]) -> None:
    made = Solo("cart")
    made.hear(a(OpenCart))
    assert codes(only(CommandRejected, made.hear(a(command)))) == ["empty_cart"]


def test_each_choice_says_what_is_still_to_choose() -> None:
    made = cart_in("checkout")
    chosen = made.hear_all(a(SetShippingMethod), a(SetPaymentMethod), a(SetPaymentMethod, method=CASH), a(SetShippingAddress))
    assert [set(event.missing) for event in chosen if isinstance(event, CheckoutDetailsSet)] == [
        {"shipping_address", "payment_method"},
        {"shipping_address"},
        {"shipping_address"},
        set(),
    ]
    assert cart(made).quote.payment_method == CASH


def test_a_preview_asks_with_what_is_chosen_so_far() -> None:
    asked = only(PreviewRequested, cart_in("active").hear(a(PreviewCheckout), message_id="p1"))
    assert (asked.command_id, asked.checkout_id, asked.quote.items) == ("p1", None, ITEMS)
    asked = only(PreviewRequested, cart_in("ready").hear(a(PreviewCheckout)))
    without_payment = QUOTED.model_copy(update={"payment_method": None})
    assert (asked.checkout_id, asked.quote) == (CHECKOUT, without_payment)


@pytest.mark.parametrize("state", ["checkout", "ready", "next"])
def test_a_session_nobody_confirms_expires(state: str) -> None:
    made = cart_in(state)
    attempt = cart(made).checkout_id
    expired = only(CheckoutAbandoned, made.pass_time(Cart, CART, seconds=1800))
    assert (expired.checkout_id, expired.by, cart(made).state) == (attempt, "timeout", "active")


def test_giving_up_before_the_confirmation_opens_the_cart_at_once_and_after_it_waits_for_order() -> None:
    made = cart_in("ready")
    assert only(CheckoutAbandoned, made.hear(ABANDON)).by == "customer"
    assert cart(made).state == "active"
    made = cart_in("locked")
    only(CheckoutAbandoned, made.hear(ABANDON))
    assert codes(only(CommandRejected, made.hear(ABANDON))) == ["abandoned"]
    only(CartReopened, made.hear(a(OrderRejected)))


# --- a change there are too few units for


def rejected(revision: int, *items: Item) -> ReservationChangeRejected:
    return a(ReservationChangeRejected, revision=revision, items=items, shortages=(Shortage(sku="tea", wanted=5, available=3),))


def test_the_customer_reads_how_many_there_are_and_the_session_goes_on_with_what_is_reserved() -> None:
    made = cart_in("ready")
    made.hear(a(SetQuantity, sku="tea", quantity=5))
    told = only(CheckoutChangeRejected, made.hear(rejected(1, *ITEMS)))
    assert [(reason.code, reason.message, reason.subject) for reason in told.reasons] == [
        ("out_of_stock", "3 of 5 units of tea are available", "tea")
    ]
    assert (told.revision, told.items, told.shortages) == (1, ITEMS, (Shortage(sku="tea", wanted=5, available=3),))
    assert (cart(made).state, cart(made).items) == ("checkout", ITEMS)
    assert only(CheckoutConfirmed, made.hear(a(ConfirmCheckout))).quote.items == ITEMS


def test_a_product_of_which_no_unit_is_reserved_is_out_of_the_cart() -> None:
    made = cart_in("checkout")
    made.hear(a(SetQuantity, sku="tea", quantity=5))
    told = only(CheckoutChangeRejected, made.hear(rejected(1, Item(sku="cup", quantity=1))))
    assert told.items == cart(made).items == (Item(sku="cup", quantity=1),)


def test_an_answer_to_an_older_change_leaves_the_latest_alone() -> None:
    made = cart_in("checkout")
    made.hear_all(a(SetQuantity, sku="tea", quantity=5), a(SetQuantity, sku="tea", quantity=3))
    assert made.hear(rejected(1, *ITEMS)) == []
    assert cart(made).lines["tea"].quantity == 3


def test_after_the_confirmation_inventory_answers_that() -> None:
    made = cart_in("ready")
    made.hear_all(a(SetQuantity, sku="tea", quantity=5), a(ConfirmCheckout))
    assert made.hear(rejected(1, *ITEMS)) == []
    assert cart(made).lines["tea"].quantity == 5


# --- step 2


def test_the_confirmation_carries_the_quote_that_was_seen() -> None:
    made = cart_in("ready")
    made.hear(a(AddItem, sku="tea"))
    made.hear(a(RemoveItem, sku="cup"))
    confirmed = only(CheckoutConfirmed, made.hear(ConfirmCheckout(cart_id=CART, expected_total=2990), message_id="m8"))
    assert confirmed == CheckoutConfirmed(
        cart_id=CART,
        checkout_id=CHECKOUT,
        command_id="m8",
        revision=2,
        quote=QUOTED.model_copy(update={"lines": (QUOTED.lines[0].model_copy(update={"quantity": 3}),)}),
        expected_total=2990,
    )


def test_the_confirmation_of_a_second_attempt_says_which_was_before() -> None:
    made = cart_in("next")
    made.hear_all(a(SetShippingAddress), a(SetShippingMethod), a(SetPaymentMethod))
    confirmed = only(CheckoutConfirmed, made.hear(a(ConfirmCheckout)))
    assert (confirmed.checkout_id, confirmed.previous_checkout_id) == (NEXT, CHECKOUT)


def test_all_that_stands_against_it_is_said_at_once() -> None:
    made = cart_in("checkout")
    made.hear(a(SetPaymentMethod))
    made.hear_all(a(ProductPriceChanged, sku="tea", prices={"EUR": 1200}), a(ProductDelisted, sku="cup"))
    rejected = only(CheckoutRejected, made.hear(a(ConfirmCheckout), message_id="m8"))
    assert (rejected.checkout_id, rejected.command_id) == (CHECKOUT, "m8")
    assert {(reason.code, reason.subject) for reason in rejected.reasons} == {
        ("no_shipping_address", "shipping_address"),
        ("no_shipping_method", "shipping_method"),
        ("price_changed", "tea"),
        ("not_sold", "cup"),
    }
    messages = [reason.message for reason in rejected.reasons]
    assert {"choose a shipping address", "tea now costs 12.00 EUR, not 10.00 EUR"} <= set(messages)


def test_an_emptied_cart_is_not_confirmed() -> None:
    made = cart_in("ready")
    made.hear_all(a(RemoveItem, sku="tea"), a(RemoveItem, sku="cup"))
    assert codes(only(CheckoutRejected, made.hear(a(ConfirmCheckout)))) == ["empty_cart"]


@pytest.mark.parametrize("price", [900, 1100])
def test_a_price_that_changed_is_told_once_and_then_holds(price: int) -> None:
    made = cart_in("ready")
    made.hear(a(ProductPriceChanged, sku="tea", prices={"EUR": price}))
    assert codes(only(CheckoutRejected, made.hear(a(ConfirmCheckout)))) == ["price_changed"]
    assert only(CheckoutConfirmed, made.hear(a(ConfirmCheckout))).quote.lines[0].unit_price == price


def test_a_product_that_is_gone_stays_against_it_until_it_is_taken_out() -> None:
    made = cart_in("ready")
    made.hear(a(ProductPriceChanged, sku="cup", prices={"USD": 500}))
    for _ in range(2):
        assert codes(only(CheckoutRejected, made.hear(a(ConfirmCheckout)))) == ["not_sold"]
    made.hear(a(RemoveItem, sku="cup"))
    only(CheckoutConfirmed, made.hear(a(ConfirmCheckout)))


def test_a_product_that_is_gone_keeps_the_price_it_was_quoted_at() -> None:
    made = cart_in("ready")
    made.hear_all(a(ProductPriceChanged, sku="cup", prices={"EUR": 700}), a(ProductDelisted, sku="cup"), a(ConfirmCheckout))
    assert cart(made).lines["cup"].unit_price == 500


# --- twice


@pytest.mark.parametrize(
    ("state", "outcome", "number"),
    [
        ("locked", "in_progress", None),
        ("locked, given up", "in_progress", None),
        ("inactive", "completed", "Q-0000001"),
        ("failed", "failed", None),
    ],
)
@pytest.mark.parametrize("named", [None, CHECKOUT])
def test_a_second_confirmation_gets_what_became_of_the_first(
    named: str | None, state: str, outcome: str, number: str | None
) -> None:
    made = cart_in(state)
    said = only(CheckoutAlreadyConfirmed, made.hear(a(ConfirmCheckout, checkout_id=named), message_id="m9"))
    assert (said.checkout_id, said.command_id, said.state, said.order_number) == (CHECKOUT, "m9", outcome, number)


def test_a_new_attempt_makes_the_failure_of_the_last_one_past() -> None:
    made = cart_in("next")
    made.hear(ABANDON)
    assert codes(only(CheckoutRejected, made.hear(a(ConfirmCheckout)))) == ["no_session"]


@pytest.mark.parametrize("state", [state for state in STATES if state not in ("unknown", "active")])
def test_a_confirmation_of_another_attempt_than_the_latest_is_refused(state: str) -> None:
    made = cart_in(state)
    other = "cart1.7" if state != "next" else CHECKOUT
    refused = only(CommandRejected, made.hear(a(ConfirmCheckout, checkout_id=other)))
    assert (codes(refused), refused.reasons[0].subject) == (["other_checkout"], other)


# --- the end


def test_the_customer_reads_which_products_are_short() -> None:
    shortages = (Shortage(sku="tea", wanted=2, available=1), Shortage(sku="cup", wanted=1, available=0))
    reopened = only(CartReopened, cart_in("locked").hear(a(ReservationFailed, shortages=shortages)))
    assert reopened.shortages == shortages
    assert [(reason.code, reason.subject) for reason in reopened.reasons] == [("out_of_stock", "tea"), ("out_of_stock", "cup")]
    assert reopened.reasons[0].message == "1 of 2 units of tea are available"


@pytest.mark.parametrize("event", [OrderRejected, OrderCancelled])
def test_the_customer_reads_why_there_is_no_order(event: type[OrderRejected | OrderCancelled]) -> None:
    reasons = (Reason(code="a", message="one"), Reason(code="b", message="two"))
    assert only(CartReopened, cart_in("locked").hear(a(event, reasons=reasons))).reasons == reasons


def test_the_customer_reads_why_the_card_was_declined() -> None:
    reopened = only(CartReopened, cart_in("locked").hear(a(PaymentDeclined, code="expired_card", reason="it has expired")))
    assert reopened.reasons == (Reason(code="expired_card", message="it has expired", subject="payment_method"),)
