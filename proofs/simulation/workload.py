"""Makes stories: one for each seed, of a few carts, what their customers and the staff do, and what goes wrong."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache, partial
from typing import Any, Final

from proofs.simulation.faults import CommitFault, GatewayFault, ServiceFault
from proofs.simulation.story import Action, Amid, ByHand, FaultProfile, Go, Inject, Send, Settle, Story, Wait
from services.payment.model import PaymentState
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
from shared.contract.inventory import AdjustStock, ReceiveStock
from shared.contract.message import Message
from shared.contract.order import CancelOrder, DefineCoupon
from shared.contract.payment import MarkPaid, MarkRefunded, MarkVoided, RetryRefund, RetryVoid
from shared.contract.products import ProductDelisted, ProductListed, ProductPriceChanged
from shared.contract.services import SERVICES
from shared.contract.values import Address, PaymentMethod

SKUS: Final = ("a", "b")
WHERE: Final = (*SERVICES, "payment")
TROUBLED: Final = (0.01, 0.1, 2, 100)
"""Hours a gateway is in trouble for: less and more than customers wait, and than a void or a refund is tried."""
FAULTS: Final = (*CommitFault, *(CommitFault.PAUSE,) * 4, *ServiceFault, *GatewayFault)
AGAIN: Final = (*FAULTS, *(CommitFault.PAUSE,) * 12, *(ServiceFault.REBALANCE,) * 6)
"""What breaks something seldom, and where only much of it is enough."""
TOKENS: Final = (
    *("ok",) * 16,
    *("decline_authorize",) * 2,
    "refuse_capture",
    "refuse_capture+refuse_void",
    "refuse_refund",
    "refuse_void",
)
HERE: Final = Address(name="Ada Example", street="Hauptstr. 1", city="Berlin", postal_code="10115", country="DE")
MOMENTS: Final = (PaymentState.AUTHORIZING, PaymentState.CAPTURING)
"""The worst to cancel in, and for a reservation to expire in."""
NOWHERE: Final = Address(name="Ada Example", street="Ice 1", city="Base", postal_code="1", country="AQ")
CASH: Final = PaymentMethod(kind="cash_on_delivery")
METHODS: Final[dict[str | None, PaymentMethod]] = {
    None: CASH,
    **{token: PaymentMethod(kind="card", token=token) for token in TOKENS},
}
MENDED: Final = (0.5, 30, 60, 150, 200)
"""Hours after which a dead letter is redriven."""
SOON: Final = datetime(2026, 1, 1, 1, tzinfo=UTC)


def generate(seed: int) -> Story:
    """The story of a seed: always the same."""
    workload = _Workload(seed)
    return Story(seed, workload.faults(), tuple(workload.actions()))


class _Dice(random.Random):
    def choice(self, seq: Any) -> Any:
        """As usual, in a third of the time: most of what a story is made of is chosen."""
        return seq[int(self.random() * len(seq))]


@cache
def _said(kind: type[Message], /, **fields: Any) -> Message:
    """A message as customers send it in story after story; it cannot change, so it is made once."""
    return kind(**fields)


class _Workload:
    def __init__(self, seed: int) -> None:
        self.dice = _Dice(seed)
        self.stock = self.dice.choice((1, 5, 50, 50, 50, 50))
        self.carts = [f"cart{n}" for n in range(self.dice.choice((1, 3, 6, 10, 14)))]

    def faults(self) -> FaultProfile:
        """Mostly good; sometimes bad in every way, sometimes in one."""
        ways = self.dice.choice((tuple(GatewayFault), (self.dice.choice(tuple(GatewayFault)),)))
        return self.dice.choice((0.0, 0.0, 0.0, 0.1, 0.4, 0.8)), ways

    def actions(self) -> Iterator[Action]:
        """What customers and staff do, and what goes wrong, each in its own order, at once."""
        dice = self.dice
        yield from self._shop()
        scripts: list[Iterator[Action]] = [self._customer(cart) for cart in self.carts]
        scripts.append(self._staff())
        if dice.random() < 0.8:
            scripts.append(self._faults())
        while scripts:
            script = dice.choice(scripts)
            action = next(script, None)
            if action is None:
                scripts.remove(script)
                continue
            yield action
            if dice.random() < 0.5:
                yield self._pause()
        yield Settle(hours=0.1)
        yield from self._afterwards()

    def _pause(self) -> Action:
        chance = self.dice.random()
        if chance < 0.97:
            return Go(self.dice.choice((1, 2, 5, 10, 20)))
        if chance < 0.99:
            return Settle(self.dice.choice((0, 0, 0.3, 2)))
        return Wait(self.dice.choice((0.01, 0.3, 0.6, 5)))

    def _shop(self) -> Iterator[Action]:
        if self.dice.random() < 0.05:  # a bug that is there from the beginning
            yield Inject(ServiceFault.DIES, self.dice.choice(SERVICES), self.dice.choice(MENDED))
        for sku in SKUS:
            yield Send(ProductListed(sku=sku, name=sku, prices={"EUR": self.dice.choice((1000, 1000, 1000, 0))}))
            yield Send(_said(ReceiveStock, sku=sku, quantity=self.stock))
        limit = self.dice.choice((1, 2))
        yield Send(_said(DefineCoupon, code="FEW", kind="percentage", percent_off=1000, limit=limit))
        yield Send(_said(DefineCoupon, code="SOON", kind="free_shipping", valid_until=SOON))
        if self.dice.random() < 0.95:
            yield Settle()

    def _customer(self, cart: str) -> Iterator[Action]:
        dice = self.dice
        yield from map(Send, self._fill(cart))
        for attempt in range(1, 5):
            token = None if dice.random() < 0.15 else dice.choice(TOKENS)
            yield from self._check_out(cart, token)
            if dice.random() < 0.3:
                yield Settle(dice.choice((0, 0, 0.4)))
            elif dice.random() < 0.3:
                yield from self._at_the_worst_moment(cart, f"{cart}.{attempt}")
            late = list(self._late(cart, attempt))
            yield from late
            given_up = any(isinstance(send.message, AbandonCheckout | CancelOrder) for send in late)
            again = 0.5 if given_up or token not in (None, "ok") else 0.1
            if dice.random() >= again:
                return
            yield Settle() if dice.random() < 0.2 else Go(dice.choice((30, 60, 100)))

    def _fill(self, cart: str) -> Iterator[Message]:
        dice = self.dice
        yield _said(OpenCart, cart_id=cart, currency="EUR", customer_id="k")
        yield _said(AddItem, cart_id=cart, sku=dice.choice(SKUS), quantity=dice.choice((1, 1, 2)))
        if dice.random() < 0.3:
            yield _said(AddItem, cart_id=cart, sku=dice.choice(SKUS))
        if dice.random() < 0.4:
            yield _said(ApplyCoupon, cart_id=cart, code=dice.choice(("FEW", "FEW", "SOON")))

    def _check_out(self, cart: str, token: str | None) -> Iterator[Send]:
        dice = self.dice
        yield Send(_said(StartCheckout, cart_id=cart))
        yield from self._second_thoughts(cart)
        yield Send(_said(SetShippingAddress, cart_id=cart, address=NOWHERE if dice.random() < 0.03 else HERE))
        yield Send(_said(SetShippingMethod, cart_id=cart, method="standard"))
        yield Send(_said(SetPaymentMethod, cart_id=cart, method=METHODS[token]))
        yield Send(_said(ConfirmCheckout, cart_id=cart, expected_total=1 if dice.random() < 0.03 else None))

    def _at_the_worst_moment(self, cart: str, checkout_id: str) -> Iterator[Action]:
        """The order is cancelled, or the reservation expires and somebody else wants all there is."""
        dice = self.dice
        moment = dice.choice(MOMENTS)
        if dice.random() < 0.5:
            yield Amid(checkout_id, moment, Send(CancelOrder(cart_id=cart, checkout_id=checkout_id, reason="r")))
            return
        yield Amid(checkout_id, moment, Wait(0.6))
        rival = f"rival:{checkout_id}"
        yield Send(OpenCart(cart_id=rival, currency="EUR", customer_id="k"))
        yield Send(AddItem(cart_id=rival, sku=dice.choice(SKUS), quantity=self.stock))
        yield Send(StartCheckout(cart_id=rival))

    def _late(self, cart: str, attempt: int) -> Iterator[Send]:
        """What comes after the confirmation, whether or not that makes sense."""
        dice = self.dice
        yield from self._second_thoughts(cart)
        if dice.random() < 0.2:
            yield Send(_said(ConfirmCheckout, cart_id=cart))
        if dice.random() < 0.1:
            yield Send(_said(AbandonCheckout, cart_id=cart))
        if dice.random() < 0.15:
            of = f"{cart}.{dice.choice((attempt, attempt, attempt + 1))}"
            yield Send(CancelOrder(cart_id=cart, checkout_id=of, reason="r"))

    def _seldom(self, message: Message) -> Send:
        """What is seldom sent is often doomed: the reaction to it should be redriven as often as others."""
        return Send(message, self.dice.choice(MENDED) if self.dice.random() < 0.15 else 0.0)

    def _second_thoughts(self, cart: str) -> Iterator[Send]:
        dice = self.dice
        if dice.random() >= 0.1:
            return
        sku, cart = dice.choice(SKUS), "nobody" if dice.random() < 0.05 else cart
        thought = dice.choice(
            (
                partial(OpenCart, cart_id=cart if cart != "nobody" else "somebody", currency="EUR", customer_id="k"),
                partial(StartCheckout, cart_id=cart),
                partial(ConfirmCheckout, cart_id=cart),
                partial(SetQuantity, cart_id=cart, sku=sku, quantity=dice.choice((1, 2, 3, self.stock + 1))),
                partial(RemoveItem, cart_id=cart, sku=sku),
                partial(AddItem, cart_id=cart, sku=sku),
                partial(ApplyCoupon, cart_id=cart, code="FEW"),
                partial(RemoveCoupon, cart_id=cart, code="FEW"),
                partial(PreviewCheckout, cart_id=cart),
                partial(AbandonCheckout, cart_id=cart),
            )
        )
        yield self._seldom(thought())

    def _staff(self) -> Iterator[Action]:
        dice = self.dice
        for _ in range(dice.randrange(4)):
            sku, price = dice.choice(SKUS), dice.choice((1000, 1200))
            decision = dice.choice(
                (
                    partial(ProductPriceChanged, sku=sku, name=sku, prices={"EUR": price}),
                    partial(ProductDelisted, sku=sku),
                    partial(ReceiveStock, sku=sku, quantity=1),
                    partial(AdjustStock, sku=sku, delta=-dice.choice((1, 1, 1, 1, 3, self.stock)), reason="lost"),
                    partial(DefineCoupon, code="FEW", kind="percentage", percent_off=2000, limit=5),
                )
            )
            yield self._seldom(decision())

    def _afterwards(self) -> Iterator[Action]:
        """When all is quiet, staff looks after the payments, some of which need it."""
        dice = self.dice
        for cart in self.carts:
            words = {"cart_id": cart, "checkout_id": f"{cart}.{dice.choice((1, 1, 2))}", "by": "staff", "why": "w"}
            chance = dice.random()
            if chance < 0.3:
                kind = dice.choice((RetryVoid, RetryRefund, MarkPaid, MarkVoided, MarkRefunded))
                if kind not in (MarkVoided, MarkRefunded):
                    yield Send(kind(**words))
                elif chance < 0.1:  # nobody has given anything back; some of them insist
                    yield Send(kind(**words, although=chance < 0.05))
                else:
                    yield ByHand(kind(**words))
            if dice.random() < 0.1:
                yield Send(CancelOrder(cart_id=cart, checkout_id=words["checkout_id"], reason="r"))
            if dice.random() < 0.1:
                yield Send(ConfirmCheckout(cart_id=cart))

    def _faults(self) -> Iterator[Action]:
        dice = self.dice
        for _ in range(dice.choice((2, 4, 8, 12))):
            fault = dice.choice(FAULTS)
            lasts = TROUBLED if fault is GatewayFault.TROUBLE else (0.1, 0.5, 30)
            yield Inject(fault, dice.choice(WHERE), dice.choice(lasts))
            if dice.random() < 0.2:  # it seldom comes alone
                yield from [Inject(dice.choice(tuple(GatewayFault)), "payment")] * dice.choice((2, 4, 8))
        if dice.random() < 0.4:  # one thing that goes wrong again and again
            fault, where = dice.choice(AGAIN), dice.choice(SERVICES)
            for _ in range(dice.choice((10, 40))):
                yield Inject(fault, where, dice.choice((0.1, 0.5)))
        if dice.random() < 0.1:  # a bug that is mended days later
            for _ in range(dice.choice((10, 40))):
                yield Inject(ServiceFault.DIES, dice.choice(SERVICES), dice.choice(MENDED))
