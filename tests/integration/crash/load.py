"""A steady small load of all kinds of checkouts, through Kafka only, by a customer who does not wait."""

import asyncio
import itertools
import uuid
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from devstack.demo.shop import APPROVED, CASH, card, checkout
from shared.client import CheckoutClient
from shared.contract.cart import (
    AbandonCheckout,
    AddItem,
    ApplyCoupon,
    CartReopened,
    CheckoutAbandoned,
    CheckoutRejected,
    ConfirmCheckout,
    OpenCart,
    PreviewCheckout,
)
from shared.contract.inventory import ReceiveStock
from shared.contract.order import CancelOrder, OrderConfirmed, TotalsCalculated
from shared.contract.products import ProductListed
from shared.contract.values import PaymentMethod

PATIENCE: Final = 3600.0
"""Seconds a customer waits for what makes them change their mind: as long as services die, little moves."""

OVER: Final = (CheckoutAbandoned, CheckoutRejected, CartReopened)
"""What comes in place of it where a death lasted longer than the checkout."""

Ending = Callable[[CheckoutClient, str], Awaitable[object]]


async def confirm(client: CheckoutClient, cart_id: str) -> None:
    """Buy."""
    await client.send(ConfirmCheckout(cart_id=cart_id))


async def confirm_twice(client: CheckoutClient, cart_id: str) -> None:
    """Buy, impatiently."""
    await client.send(PreviewCheckout(cart_id=cart_id), ConfirmCheckout(cart_id=cart_id), ConfirmCheckout(cart_id=cart_id))


async def confirm_among_garbage(client: CheckoutClient, cart_id: str) -> None:
    """Buy, while somebody else publishes what nobody can read."""
    await client.publish_bytes("cart.commands", cart_id, b'\xff{"not": json')
    await confirm(client, cart_id)


async def cancel_before(client: CheckoutClient, cart_id: str) -> None:
    """Buy, and cancel before the money is held."""
    await confirm(client, cart_id)
    await _cancel_after(client, cart_id, TotalsCalculated)


async def cancel_after(client: CheckoutClient, cart_id: str) -> None:
    """Buy, and cancel when all is paid."""
    await confirm(client, cart_id)
    await _cancel_after(client, cart_id, OrderConfirmed)


async def _cancel_after(client: CheckoutClient, cart_id: str, kind: type[TotalsCalculated | OrderConfirmed]) -> None:
    event = await client.next_event(cart_id, 0, (kind, *OVER), timeout=PATIENCE)
    if isinstance(event, kind):
        await client.send(CancelOrder(cart_id=cart_id, checkout_id=event.checkout_id, reason="changed my mind"))


async def abandon(client: CheckoutClient, cart_id: str) -> None:
    """Do not buy, and say so."""
    await client.send(AbandonCheckout(cart_id=cart_id))


async def forget(client: CheckoutClient, cart_id: str) -> None:
    """Do not buy, and say nothing."""


STORIES: Final[dict[str, tuple[PaymentMethod, Ending]]] = {
    "paid": (APPROVED, confirm),
    "cancelled after": (card("tok_slow_capture_0.3+slow_refund_0.3"), cancel_after),
    "void refused twice": (card("tok_decline_capture+refuse_void_2+slow_void_0.3"), confirm),
    "cash": (CASH, confirm_twice),
    "declined": (card("tok_decline_insufficient_funds"), confirm),
    "answers lost": (card("tok_timeout_after_authorize+timeout_after_capture"), confirm),
    "cancelled before": (card("tok_slow_authorize_0.5"), cancel_before),
    "abandoned": (APPROVED, abandon),
    "forgotten": (APPROVED, forget),
    "among garbage": (APPROVED, confirm_among_garbage),
    "capture fails": (card("tok_decline_capture"), confirm),
}


class Load:
    """One story after the other, each with a cart of its own. ``carts``: the name of the story of each cart."""

    def __init__(self, client: CheckoutClient, skus: Sequence[str], coupon: str) -> None:
        self._client, self._skus, self._coupon = client, skus, coupon
        self._stories: list[asyncio.Task[None]] = []
        self.carts: dict[str, str] = {}

    async def run(self, every: float) -> None:
        """Begin a story so often, in seconds, until cancelled; goods come in meanwhile."""
        for name, sku in zip(itertools.cycle(STORIES), itertools.cycle(self._skus), strict=False):
            self.begin(name)
            await self._client.send(
                ProductListed(sku=sku, name="Relisted", prices={"EUR": 1000}, weight_grams=500),
                ReceiveStock(sku=sku, quantity=1),
            )
            await asyncio.sleep(every)

    def begin(self, name: str) -> None:
        """A customer comes."""
        cart_id = f"cart-{uuid.uuid4().hex[:10]}"
        self.carts[cart_id] = name
        self._stories.append(asyncio.create_task(self._tell(cart_id, *STORIES[name])))

    async def _tell(self, cart_id: str, payment: PaymentMethod, ending: Ending) -> None:
        sku = self._skus[len(self.carts) % len(self._skus)]
        await self._client.send(
            OpenCart(cart_id=cart_id, currency="EUR", customer_id="customer-1"),
            AddItem(cart_id=cart_id, sku=sku),
            ApplyCoupon(cart_id=cart_id, code=self._coupon),
            *checkout(cart_id, payment),
        )
        await ending(self._client, cart_id)

    async def ended(self, seconds: float) -> None:
        """Wait for the customers who mean to change their mind. Raises ``TimeoutError``, and what one of them met."""
        async with asyncio.timeout(seconds):
            await asyncio.gather(*self._stories)
