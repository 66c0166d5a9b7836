"""Cart against a slip of paper: any messages, in any order, come to the same, and are answered the same."""

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

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
from shared.contract.catalog import ProductDelisted, ProductListed, ProductPriceChanged
from shared.contract.inventory import ReservationFailed
from shared.contract.order import OrderCancelled, OrderConfirmed, OrderRejected
from shared.contract.payment import PaymentDeclined
from tests.support.facts import CART, a
from tests.support.solo import Solo

SKUS = ("tea", "cup", "pot")
CODES = ("TEN", "SHIP")
PARTS = {"address": SetShippingAddress, "method": SetShippingMethod, "payment": SetPaymentMethod}
ENDS = (ReservationFailed, OrderRejected, PaymentDeclined, OrderCancelled)
skus, codes = st.sampled_from(SKUS), st.sampled_from(CODES)
quantities = st.one_of(st.integers(1, 3), st.just(MAX_QUANTITY))


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
        answers = self.service.hear(a(kind, **more))
        assert [type(answer).__name__ for answer in answers] == ([expected] if expected else [])
        return answers[0] if answers else None

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
        self.tell(OpenCart, "CartOpened" if new else "CommandRejected")
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

    # --- the session

    @rule()
    def start(self) -> None:
        possible = self.slip.state == "active" and bool(self.slip.lines)
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

    @precondition(lambda self: self.slip.state == "checkout")
    @rule()
    def choose_all(self) -> None:
        for part in PARTS:
            self.choose(part)

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
        possible = self.slip.state in ("checkout", "locked") and not self.slip.given_up
        self.tell(AbandonCheckout, "CheckoutAbandoned" if possible else "CommandRejected")
        if possible:
            self.slip.given_up = True
            if self.slip.state == "checkout":
                self.slip.end()

    @precondition(lambda self: self.slip.state == "checkout")
    @rule()
    def lapse(self) -> None:
        (told,) = self.service.pass_time(Cart, CART, days=1)
        assert type(told).__name__ == "CheckoutAbandoned"
        self.slip.end()

    # --- the end of the checkout: of this attempt, or of another, late

    @rule(kind=st.sampled_from(ENDS), late=st.integers(0, 2))
    def come_to_nothing(self, kind: type[Any], late: int) -> None:
        ends = late == 0 and self.slip.state in ("checkout", "locked")
        self.tell(kind, "CartReopened" if ends else "", checkout_id=f"{CART}.{self.slip.attempt - late}")
        if ends:
            self.slip.end()

    @rule(late=st.integers(0, 2))
    def order(self, late: int) -> None:
        ends = late == 0 and self.slip.state in ("checkout", "locked")
        self.tell(OrderConfirmed, "CheckoutCompleted" if ends else "", checkout_id=f"{CART}.{self.slip.attempt - late}")
        if ends:
            self.slip.state, self.slip.ordered = "inactive", True

    @invariant()
    def both_say_the_same(self) -> None:
        cart = self.service.own(Cart, CART)
        assert str(cart.state or "none") == self.slip.state
        assert {sku: (line.quantity, line.unit_price) for sku, line in cart.lines.items()} == self.slip.lines
        assert cart.coupons == self.slip.coupons
        assert (cart.session is not None) == (self.slip.state in ("checkout", "locked"))
        assert (cart.due_at is not None) == (self.slip.state == "checkout")


TestCart = CartService.TestCase
TestCart.settings = settings(max_examples=200, stateful_step_count=50, deadline=None)
