"""Cart against a slip of paper: any messages, in any order, come to the same, and are answered the same."""

from collections import Counter
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test

from services.cart.model import MAX_QUANTITY, Cart
from shared.contract.cart import (
    AbandonCheckout,
    AddItem,
    ApplyCoupon,
    ConfirmCheckout,
    OpenCart,
    PreviewCheckout,
    RemoveCoupon,
    RemoveItem,
    SetPaymentMethod,
    SetQuantity,
    SetShippingAddress,
    SetShippingMethod,
    StartCheckout,
)
from shared.contract.inventory import ReservationChangeRejected, ReservationFailed
from shared.contract.order import OrderCancelled, OrderConfirmed, OrderRejected
from shared.contract.payment import PaymentDeclined
from shared.contract.products import ProductDelisted, ProductListed, ProductPriceChanged
from shared.contract.values import Item
from tests.support.facts import CART, a
from tests.support.solo import Solo

SKUS = ("tea", "cup", "pot")
CODES = ("TEN", "SHIP")
PARTS = {"address": SetShippingAddress, "method": SetShippingMethod, "payment": SetPaymentMethod}
ENDS = (ReservationFailed, OrderRejected, PaymentDeclined, OrderCancelled)
skus, codes = st.sampled_from(SKUS), st.sampled_from(CODES)
quantities = st.one_of(st.integers(1, 3), st.just(MAX_QUANTITY))


SEEN: Counter[tuple[str, str]] = Counter()
"""What was told and how it was answered, in all runs."""


class Slip:
    """What a clerk would write down: ``lines``, units and price shown, by SKU; ``chosen``, parts of the session."""

    def __init__(self) -> None:
        self.state = "none"
        self.lines: dict[str, tuple[int, int]] = {}
        self.coupons: list[str] = []
        self.chosen: set[str] = set()
        self.attempt, self.revision = 0, 0
        self.given_up = self.came_to_nothing = self.ordered = False

    @property
    def editable(self) -> bool:
        return self.state in ("active", "checkout")

    @property
    def in_session(self) -> bool:
        return self.state in ("checkout", "locked")

    def change(self) -> str:
        """The lines are different now; returns who is told."""
        if self.state == "active":
            return "CartChanged"
        self.revision += 1
        return "CheckoutChanged"

    def start(self) -> None:
        self.state, self.chosen, self.revision = "checkout", set(), 0
        self.attempt += 1
        self.given_up = self.came_to_nothing = False

    def end(self) -> None:
        self.came_to_nothing = self.state == "locked"
        self.state = "active"


class CartService(RuleBasedStateMachine):
    """Tells both the same, and compares."""

    def __init__(self) -> None:
        super().__init__()
        self.service, self.slip = Solo("cart"), Slip()
        self.prices: dict[str, int] = {}

    def tell(self, kind: type[Any], expected: str, **more: Any) -> Any:
        """Tell the service, which must answer with one message of the expected type, or with nothing."""
        SEEN[kind.__name__, expected] += 1
        answers = self.service.hear(a(kind, **more))
        assert [type(answer).__name__ for answer in answers] == ([expected] if expected else [])
        return answers[0] if answers else None

    @initialize(known=st.booleans())
    def open_the_shop(self, known: bool) -> None:
        for sku in SKUS:
            self.list_product(sku, 2, ProductListed)
        if known:
            self.open_cart()

    # --- the catalogue

    @rule(sku=skus, price=st.integers(1, 3), kind=st.sampled_from((ProductListed, ProductPriceChanged)))
    def list_product(self, sku: str, price: int, kind: type[Any]) -> None:
        self.tell(kind, "", sku=sku, name=sku, prices={"EUR": price}, weight_grams=100)
        self.prices[sku] = price

    @rule(sku=skus)
    def sell_abroad_only(self, sku: str) -> None:
        self.tell(ProductListed, "", sku=sku, name=sku, prices={"JPY": 100}, weight_grams=100)
        self.prices.pop(sku, None)

    @rule(sku=skus)
    def delist_product(self, sku: str) -> None:
        self.tell(ProductDelisted, "", sku=sku)
        self.prices.pop(sku, None)

    # --- filling the cart

    @rule()
    def open_cart(self) -> None:
        new = self.slip.state == "none"
        self.tell(OpenCart, "CartOpened" if new or self.slip.editable else "CommandRejected")
        self.slip.state = "active" if new else self.slip.state

    @rule(sku=skus, units=quantities, more=st.booleans())
    def put_in(self, sku: str, units: int, more: bool) -> None:
        held, shown = self.slip.lines.get(sku, (0, self.prices.get(sku, 0)))
        wanted = held + units if more else units
        fits = self.slip.editable and sku in self.prices and wanted <= MAX_QUANTITY
        if fits:
            self.slip.lines[sku] = (wanted, shown)
        answer = self.slip.change() if fits else "CommandRejected"
        self.tell(AddItem if more else SetQuantity, answer, sku=sku, quantity=units)

    @rule(sku=skus)
    def take_out(self, sku: str) -> None:
        there = self.slip.editable and sku in self.slip.lines
        if there:
            del self.slip.lines[sku]
        self.tell(RemoveItem, self.slip.change() if there else "CommandRejected", sku=sku)

    @rule(code=codes)
    def apply_coupon(self, code: str) -> None:
        good = self.slip.editable and code not in self.slip.coupons
        self.tell(ApplyCoupon, "CartChanged" if good else "CommandRejected", code=code)
        self.slip.coupons += [code] if good else []

    @rule(code=codes)
    def remove_coupon(self, code: str) -> None:
        there = self.slip.editable and code in self.slip.coupons
        self.tell(RemoveCoupon, "CartChanged" if there else "CommandRejected", code=code)
        if there:
            self.slip.coupons.remove(code)

    @precondition(lambda self: self.slip.state == "checkout")
    @rule(late=st.integers(0, 1), units=st.dictionaries(skus, st.integers(1, 3)))
    def be_short_of_units(self, late: int, units: dict[str, int]) -> None:
        """Of a change inventory says what is reserved after it; of the latest, this is what the cart holds."""
        slip = self.slip
        kept = {sku: units[sku] for sku in slip.lines if sku in units}
        answer = self.tell(
            ReservationChangeRejected,
            "CheckoutChangeRejected" if not late else "",
            checkout_id=f"{CART}.{slip.attempt}",
            revision=slip.revision - late,
            items=tuple(Item(sku=sku, quantity=quantity) for sku, quantity in kept.items()),
        )
        if not late:
            assert {item.sku: item.quantity for item in answer.items} == kept
            slip.lines = {sku: (quantity, slip.lines[sku][1]) for sku, quantity in kept.items()}

    # --- the session

    @rule()
    def start(self) -> None:
        possible = self.slip.state == "active" and bool(self.slip.lines)
        if self.slip.state == "checkout":
            answer = self.tell(StartCheckout, "CheckoutAlreadyStarted")
            assert answer.checkout_id == f"{CART}.{self.slip.attempt}"
            return
        if possible:
            self.slip.start()
        answer = self.tell(StartCheckout, "CheckoutStarted" if possible else "CommandRejected")
        if possible:
            assert answer.checkout_id == f"{CART}.{self.slip.attempt}"
            before = f"{CART}.{self.slip.attempt - 1}" if self.slip.attempt > 1 else None
            assert answer.previous_checkout_id == before

    @rule(part=st.sampled_from(sorted(PARTS)))
    def choose(self, part: str) -> None:
        possible = self.slip.state == "checkout"
        answer = self.tell(PARTS[part], "CheckoutDetailsSet" if possible else "CommandRejected")
        if possible:
            self.slip.chosen.add(part)
            assert len(answer.missing) == len(PARTS) - len(self.slip.chosen)

    @precondition(lambda self: self.slip.editable)
    @rule(sku=skus, price=st.integers(1, 3), confirmed=st.booleans())
    def get_far(self, sku: str, price: int, confirmed: bool) -> None:
        """What seldom happens by chance alone."""
        self.list_product(sku, price, ProductListed)
        self.put_in(sku, 1, more=True)
        if self.slip.state == "active" and self.slip.lines:
            self.start()
        for part in PARTS:
            self.choose(part)
        if confirmed:
            self.confirm(self.slip.attempt)

    @rule()
    def preview(self) -> None:
        possible = self.slip.editable and bool(self.slip.lines)
        self.tell(PreviewCheckout, "PreviewRequested" if possible else "CommandRejected")

    @rule(named=st.one_of(st.none(), st.integers(0, 3)))
    def confirm(self, named: int | None) -> None:
        slip = self.slip
        checkout_id = f"{CART}.{named}" if named is not None else None
        if named is not None and (named == 0 or named != slip.attempt):
            self.tell(ConfirmCheckout, "CommandRejected", checkout_id=checkout_id)
        elif slip.state in ("locked", "inactive") or slip.came_to_nothing:
            answer = self.tell(ConfirmCheckout, "CheckoutAlreadyConfirmed", checkout_id=checkout_id)
            became = "completed" if slip.ordered else "failed" if slip.came_to_nothing else "in_progress"
            assert answer.state == became
        elif slip.state != "checkout":
            self.tell(ConfirmCheckout, "CheckoutRejected", checkout_id=checkout_id)
        else:
            self._confirm(checkout_id)

    def _confirm(self, checkout_id: str | None) -> None:
        slip = self.slip
        stale = [sku for sku, (_, shown) in slip.lines.items() if self.prices.get(sku) != shown]
        faults = len(PARTS) - len(slip.chosen) + len(stale) + (not slip.lines)
        answer = self.tell(ConfirmCheckout, "CheckoutRejected" if faults else "CheckoutConfirmed", checkout_id=checkout_id)
        if faults:
            assert len(answer.reasons) == faults
            for sku in stale:
                slip.lines[sku] = (slip.lines[sku][0], self.prices.get(sku, slip.lines[sku][1]))
        else:
            assert [(line.sku, line.quantity, line.unit_price) for line in answer.quote.lines] == [
                (sku, units, shown) for sku, (units, shown) in slip.lines.items()
            ]
            assert answer.revision == slip.revision
            slip.state = "locked"

    @rule()
    def abandon(self) -> None:
        possible = self.slip.in_session and not self.slip.given_up
        self.tell(AbandonCheckout, "CheckoutAbandoned" if possible else "CommandRejected")
        if possible:
            self.slip.given_up = True
            if self.slip.state == "checkout":
                self.slip.end()

    @precondition(lambda self: self.slip.state == "checkout")
    @rule()
    def expire(self) -> None:
        (told,) = self.service.pass_time(Cart, CART, days=1)
        assert type(told).__name__ == "CheckoutAbandoned"
        self.slip.end()

    # --- the end of the checkout

    @precondition(lambda self: self.slip.in_session)
    @rule(kind=st.sampled_from(ENDS))
    def come_to_nothing(self, kind: type[Any]) -> None:
        self.tell(kind, "CartReopened", checkout_id=f"{CART}.{self.slip.attempt}")
        self.slip.end()

    @precondition(lambda self: self.slip.in_session)
    @rule()
    def order(self) -> None:
        self.tell(OrderConfirmed, "CheckoutCompleted", checkout_id=f"{CART}.{self.slip.attempt}")
        self.slip.state, self.slip.ordered = "inactive", True

    @rule(kind=st.sampled_from((*ENDS, OrderConfirmed)), late=st.integers(0, 2))
    def hear_of_what_is_over(self, kind: type[Any], late: int) -> None:
        if late or not self.slip.in_session:
            self.tell(kind, "", checkout_id=f"{CART}.{self.slip.attempt - late}")

    @invariant()
    def both_say_the_same(self) -> None:
        cart = self.service.own(Cart, CART)
        assert str(cart.state or "none") == self.slip.state
        assert {sku: (line.quantity, line.unit_price) for sku, line in cart.lines.items()} == self.slip.lines
        assert cart.coupons == self.slip.coupons
        assert (cart.session is not None) == self.slip.in_session
        assert (cart.due_at is not None) == (self.slip.state == "checkout")


GRANTED = {
    ("AbandonCheckout", "CheckoutAbandoned"),
    ("AddItem", "CartChanged"),
    ("AddItem", "CheckoutChanged"),
    ("ApplyCoupon", "CartChanged"),
    ("ConfirmCheckout", "CheckoutAlreadyConfirmed"),
    ("ConfirmCheckout", "CheckoutConfirmed"),
    ("ConfirmCheckout", "CheckoutRejected"),
    ("OpenCart", "CartOpened"),
    ("PreviewCheckout", "PreviewRequested"),
    ("RemoveCoupon", "CartChanged"),
    ("RemoveItem", "CartChanged"),
    ("RemoveItem", "CheckoutChanged"),
    ("SetPaymentMethod", "CheckoutDetailsSet"),
    ("SetQuantity", "CartChanged"),
    ("SetQuantity", "CheckoutChanged"),
    ("SetShippingAddress", "CheckoutDetailsSet"),
    ("SetShippingMethod", "CheckoutDetailsSet"),
    ("StartCheckout", "CheckoutAlreadyStarted"),
    ("StartCheckout", "CheckoutStarted"),
}
REFUSED = {(kind, "CommandRejected") for kind, _ in GRANTED}
ENDED = {(kind.__name__, answer) for kind in ENDS for answer in ("", "CartReopened")}
SHORT = {("ReservationChangeRejected", answer) for answer in ("", "CheckoutChangeRejected")}
ORDERED = {("OrderConfirmed", ""), ("OrderConfirmed", "CheckoutCompleted")}


def test_cart_and_slip_agree() -> None:
    run_state_machine_as_test(CartService, settings=settings(max_examples=600, stateful_step_count=30, derandomize=True))
    assert SEEN.keys() >= GRANTED | REFUSED | ENDED | SHORT | ORDERED, "what the runs never reached is not proven"
