"""The limits of the contract: what lies on them is taken, what lies just beyond is refused by name."""

from typing import Any

import pytest

from shared.contract.cart import (
    AddItem,
    ApplyCoupon,
    CheckoutConfirmed,
    CheckoutRejected,
    ConfirmCheckout,
    OpenCart,
    SetPaymentMethod,
    SetQuantity,
    SetShippingAddress,
    SetShippingMethod,
    StartCheckout,
)
from shared.contract.envelope import MAX_VALUE_BYTES, RefusedError, UnreadableError, read
from shared.contract.inventory import AdjustStock, ReceiveStock, ReservationExtended
from shared.contract.message import MAX_COUPONS, MAX_LINES, Message
from shared.contract.order import CancelOrder, DefineCoupon, OrderCreated, OrderRejected
from shared.contract.payment import PaymentAuthorized
from shared.contract.products import ProductListed
from shared.contract.values import Item, QuoteLine
from shared.money import MAX_AMOUNT
from tests.support.facts import QUOTE, USUAL, a
from tests.support.solo import Solo
from tests.unit.contract.records import binary, body

LIMITS: list[tuple[type[Message], str, list[Any], list[Any]]] = [
    (
        OpenCart,
        "cart_id",
        ["c", "9", "c" * 80, "a.b_c:d-e|f@g/h+i=j~k"],
        ["", "c" * 81, ".c", "-c", "c c", "c\n", "ü", "c;d", "c$"],
    ),
    (
        OpenCart,
        "customer_id",
        [
            "k" * 255,
            "auth0|5f7c8ec7c33c6c004bbafe82",
            "ada+shop@example.com",
            "gid://shop/Customer/1",
            "_k",
            "4242424242424242",
        ],
        ["", "k" * 256, "k k", "k\x00", "ü"],
    ),
    (OpenCart, "currency", ["EUR", "JPY", "KWD"], ["eur", "EURO", "EU", "XXX", "", "EUR\n"]),
    (AddItem, "sku", ["s" * 64, "a.b_c-d", "a:b", "M10/20", "4006381333931"], ["", "s" * 65, "a b", "/s"]),
    (AddItem, "quantity", [1, 10_000], [0, -1, 10_001]),
    (SetQuantity, "quantity", [1, 10_000], [0, 10_001]),
    (ApplyCoupon, "code", ["A", "7" * 32, "A-B_C"], ["", "A" * 33, "a", "-A", "A B"]),
    (SetShippingMethod, "method", ["m" * 80], ["", "m" * 81]),
    (ConfirmCheckout, "expected_total", [None, 0, MAX_AMOUNT], [-1, MAX_AMOUNT + 1]),
    (ConfirmCheckout, "checkout_id", [None, "c" * 80], ["c" * 81]),
    (CancelOrder, "reason", ["r", "r" * 200, "🍵" * 200], ["", "r" * 201, "a\tb"]),
    (ReceiveStock, "quantity", [1, 10**9], [0, 10**9 + 1]),
    (AdjustStock, "delta", [-(10**9), 0, 10**9], [-(10**9) - 1, 10**9 + 1]),
    (DefineCoupon, "limit", [None, 1, 10**9], [0, 10**9 + 1]),
    (
        DefineCoupon,
        "minimum_subtotal",
        [{}, {"EUR": 0}, {"EUR": MAX_AMOUNT}],
        [{"EUR": -1}, {"EUR": MAX_AMOUNT + 1}, {"XXX": 1}],
    ),
]
ADDRESS: list[tuple[str, list[Any], list[Any]]] = [
    ("name", ["n" * 200, "山田　太郎", "علی\u200cرضا", "\u2068Ada\u2069", "A\u0308da", "Ａｄａ"], ["", "n" * 201, "a\x1b[2J"]),
    ("street", ["s" * 200, "Hauptstr.\u00a01"], ["", "s" * 201, "a\nb"]),
    ("city", ["c" * 200], ["", "c" * 201]),
    ("postal_code", ["1", "SW1A 1AA", "1" * 16], ["", "1" * 17, "1_0", "4242424242424242"]),
    ("country", ["DE"], ["D", "DEU", "de"]),
    ("region", [None, "CA", "A1B"], ["", "ABCD", "ca"]),
]


@pytest.mark.parametrize(("kind", "field", "taken", "refused"), LIMITS, ids=lambda value: getattr(value, "__name__", None))
def test_a_field_of_a_command(kind: type[Message], field: str, taken: list[Any], refused: list[Any]) -> None:
    command = a(kind)
    for value in taken:
        assert getattr(read(binary(command, body(command, **{field: value})))[1], field) == value
    for value in refused:
        with pytest.raises(RefusedError) as error:
            read(binary(command, body(command, **{field: value})))
        assert {(reason.subject or "").split(".")[0] for reason in error.value.reasons} == {field}, value


@pytest.mark.parametrize(("field", "taken", "refused"), ADDRESS)
def test_a_field_of_an_address(field: str, taken: list[Any], refused: list[Any]) -> None:
    command = a(SetShippingAddress)
    whole = USUAL["address"].model_dump()
    for value in taken:
        read(binary(command, body(command, address={**whole, field: value})))
    for value in refused:
        with pytest.raises(RefusedError, match=rf"address\.{field}"):
            read(binary(command, body(command, address={**whole, field: value})))


@pytest.mark.parametrize("percent_off", [0, 1, 10_000, 10_001])
def test_a_percentage_takes_off_something_and_at_most_all(percent_off: int) -> None:
    command = DefineCoupon(code="TEN", kind="percentage", percent_off=1)
    spoilt = binary(command, body(command, percent_off=percent_off))
    if percent_off in (1, 10_000):
        read(spoilt)
    else:
        with pytest.raises(RefusedError, match="percent_off"):
            read(spoilt)


def test_a_token_is_no_card_number_with_spaces_and_no_novel() -> None:
    command = a(SetPaymentMethod)
    read(binary(command, body(command, method={"kind": "card", "token": "t" * 128})))
    for token in ("", "t" * 129, "4242 4242 4242 4242"):
        with pytest.raises(RefusedError, match=r"method\.token"):
            read(binary(command, body(command, method={"kind": "card", "token": token})))


def test_an_event_of_more_lines_than_fit_in_a_cart_is_no_event_of_ours() -> None:
    event = a(ReservationExtended, items=tuple(Item(sku=f"s{n}", quantity=1) for n in range(MAX_LINES)))
    assert read(binary(event))[1] == event
    more = [*event.model_dump(mode="json")["items"], {"sku": "more", "quantity": 1}]
    with pytest.raises(UnreadableError, match="items"):
        read(binary(event, body(event, items=more)))


@pytest.mark.parametrize(("padding", "fits"), [(0, True), (1, False)])
def test_the_largest_value_that_is_read(padding: int, fits: bool) -> None:
    value = body(a(AddItem)).ljust(MAX_VALUE_BYTES + padding)
    if fits:
        assert read(binary(a(AddItem), value))[1] == a(AddItem)
    else:
        with pytest.raises(UnreadableError, match=f"{MAX_VALUE_BYTES + 1} bytes"):
            read(binary(a(AddItem), value))


# --- what is taken never makes a message nobody can read

LONG = "𝕿" * 200
"""The longest name there is, of the longest characters."""
LINES = tuple(
    QuoteLine(
        sku=f"{n:064d}", name=LONG, quantity=10_000, unit_price=MAX_AMOUNT, tax_category="t" * 80, weight_grams=10_000_000
    )
    for n in range(MAX_LINES)
)
LARGEST = QUOTE.model_copy(
    update={"lines": LINES, "coupons": tuple(f"{n:032d}" for n in range(MAX_COUPONS)), "customer_id": "k" * 80}
)


def test_the_largest_cart_there_is_can_be_confirmed_and_every_reason_against_it_told() -> None:
    order, confirmed = Solo("order"), a(CheckoutConfirmed, quote=LARGEST)
    assert read(binary(confirmed))[1] == confirmed
    (rejected,) = order.hear_all(a(ReservationExtended), confirmed)
    assert isinstance(rejected, OrderRejected)
    assert len(rejected.reasons) >= MAX_LINES
    assert read(binary(rejected))[1] == rejected


def test_the_largest_order_there_is_can_be_billed_and_created() -> None:
    some = {"unit_price": 10**8, "tax_category": "standard", "weight_grams": 0}
    quote = LARGEST.model_copy(update={"lines": tuple(line.model_copy(update=some) for line in LINES), "coupons": ()})
    order = Solo("order")
    (billed, created) = order.hear_all(a(ReservationExtended), a(CheckoutConfirmed, quote=quote), a(PaymentAuthorized))
    assert isinstance(created, OrderCreated)
    assert len(created.totals.lines) == MAX_LINES
    assert read(binary(billed))[1] == billed
    assert read(binary(created))[1] == created


def test_all_that_stands_against_the_largest_cart_can_be_told() -> None:
    cart = Solo("cart")
    cart.hear(a(OpenCart))
    for line in LINES:
        cart.hear(ProductListed(sku=line.sku, name=LONG, prices={"EUR": MAX_AMOUNT}))
        cart.hear(a(AddItem, sku=line.sku))
        cart.hear(ProductListed(sku=line.sku, name=LONG, prices={"EUR": 1}))
    cart.hear(a(StartCheckout))
    (rejected,) = cart.hear(a(ConfirmCheckout))
    assert isinstance(rejected, CheckoutRejected)
    assert len(rejected.reasons) == MAX_LINES + 3
    assert read(binary(rejected))[1] == rejected


# --- addresses where there are no postal codes


@pytest.mark.parametrize(("country", "needed"), [("AE", False), ("HK", False), ("QA", False), ("DE", True), ("US", True)])
def test_an_address_needs_a_postal_code_where_its_country_has_them(country: str, needed: bool) -> None:
    command = a(SetShippingAddress)
    address = {**USUAL["address"].model_dump(), "country": country}
    for without in ({**address, "postal_code": None}, {k: v for k, v in address.items() if k != "postal_code"}):
        if needed:
            with pytest.raises(RefusedError, match=f"^address: an address in {country} needs a postal_code$"):
                read(binary(command, body(command, address=without)))
        else:
            assert read(binary(command, body(command, address=without)))[1]


@pytest.mark.parametrize("street", ["two\nlines", "\u202eevil", "a\x1bb"])
def test_what_a_newer_service_took_from_its_clients_is_read_from_it(street: str) -> None:
    """Readers first: who takes more tomorrow must not make events that today's services cannot read."""
    address = USUAL["address"].model_copy(update={"street": street, "postal_code": None})
    event = a(CheckoutConfirmed, quote=QUOTE.model_copy(update={"shipping_address": address}))
    assert read(binary(event))[1] == event


def test_a_product_may_have_any_name_that_prints() -> None:
    product = ProductListed(sku="s", name="Tee\u00a0grün", prices={"EUR": 1})
    assert read(binary(product))[1] == product
    with pytest.raises(UnreadableError, match=r"name: has a control character, U\+0009, at position 2"):
        read(binary(product, body(product, name="a\tb")))
