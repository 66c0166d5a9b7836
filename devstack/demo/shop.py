"""A storefront that fills carts and checks them out through Kafka."""

import asyncio
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from services.alerts.model import MONEY, Alert
from services.alerts.views import open_alerts
from shared.client import CheckoutClient, Outcome
from shared.contract.cart import (
    AddItem,
    CartChanged,
    CheckoutDetailsSet,
    OpenCart,
    PreviewCheckout,
    PreviewRequested,
    SetPaymentMethod,
    SetShippingAddress,
    SetShippingMethod,
    StartCheckout,
)
from shared.contract.inventory import ReceiveStock, StockReceived, StockReserved
from shared.contract.message import Command, Message
from shared.contract.products import ProductListed
from shared.contract.values import Address, PaymentMethod

BERLIN = Address(name="Ada Example", street="Hauptstr. 1", city="Berlin", postal_code="10115", country="DE")
TOKYO = Address(name="Ada Example", street="Chuo 1-1", city="Tokyo", postal_code="100-0001", country="JP")
APPROVED = PaymentMethod(kind="card", token="tok_approve")
CASH = PaymentMethod(kind="cash_on_delivery")


def unique(prefix: str) -> str:
    """A unique name."""
    return f"{prefix}-{uuid.uuid4().hex[:10]}"


def card(token: str) -> PaymentMethod:
    """A card with a token of the sandbox gateway."""
    return PaymentMethod(kind="card", token=token)


def checkout(
    cart_id: str, payment: PaymentMethod = APPROVED, address: Address = BERLIN, method: str = "standard"
) -> tuple[Command, ...]:
    """The commands that start a checkout and set all its details, so that it can be confirmed."""
    return (
        StartCheckout(cart_id=cart_id),
        SetShippingAddress(cart_id=cart_id, address=address),
        SetShippingMethod(cart_id=cart_id, method=method),
        SetPaymentMethod(cart_id=cart_id, method=payment),
    )


@dataclass
class Shop:
    """Carts and products with unique names."""

    client: CheckoutClient
    engine: AsyncEngine
    """The alerts database: the only thing besides Kafka that a scenario reads."""
    carts: list[str] = field(default_factory=list)

    async def product(self, stock: int, **prices: int) -> str:
        """A product with stock. ``prices``: in minor units by currency; default 10.00 EUR."""
        sku = unique("sku")
        await self.client.send(
            ProductListed(sku=sku, name=f"Product {sku}", prices=prices or {"EUR": 1000}, weight_grams=500),
            ReceiveStock(sku=sku, quantity=stock),
        )
        await self.client.wait_for(sku, StockReceived)
        return sku

    async def cart(self, *skus: str, quantity: int = 1, currency: str = "EUR") -> str:
        """An open cart with these products."""
        cart_id = unique("cart")
        self.carts.append(cart_id)
        await self.client.send(OpenCart(cart_id=cart_id, currency=currency, customer_id="customer-1"))
        for sku in skus:
            await self.put(cart_id, sku, quantity)
        return cart_id

    async def put(self, cart_id: str, sku: str, quantity: int = 1) -> None:
        """Add an item. Products arrive at cart by another topic, so retry until cart knows the product."""
        for _ in range(100):
            answer = await self.client.ask(AddItem(cart_id=cart_id, sku=sku, quantity=quantity), (CartChanged,))
            if isinstance(answer, CartChanged):
                return
        raise AssertionError(f"cart never received {sku}")

    async def prepare(
        self,
        cart_id: str,
        payment: PaymentMethod = APPROVED,
        address: Address = BERLIN,
        method: str = "standard",
        *,
        reserved: bool = True,
    ) -> None:
        """Start the checkout and set all its details, so that it can be confirmed."""
        before = self.client.count
        await self.client.send(*checkout(cart_id, payment, address, method))
        await self.client.wait_for(cart_id, CheckoutDetailsSet, where=lambda e: not e.missing, after=before)
        if reserved:
            await self.client.wait_for(cart_id, StockReserved, after=before)

    async def check_out(self, *skus: str, payment: PaymentMethod = APPROVED, **more: Any) -> tuple[str, Outcome]:
        """Check out one unit of each product; returns the cart and the outcome."""
        cart_id = await self.cart(*skus, **more)
        await self.prepare(cart_id, payment)
        return cart_id, await self.client.confirm(cart_id)

    async def known(self, sku: str, price: int) -> None:
        """Wait until cart quotes the product at this price in EUR."""
        for _ in range(100):
            cart_id = await self.cart(sku)
            asked = await self.client.ask(PreviewCheckout(cart_id=cart_id), (PreviewRequested,))
            if isinstance(asked, PreviewRequested) and asked.quote.lines[0].unit_price == price:
                return
        raise AssertionError(f"cart never received the new price of {sku}")

    async def alert(self, checkout_id: str, *, seconds: float = 10) -> Alert:
        """The open alert about the stuck money of a checkout. Other alerts about it may come first."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for alert in await open_alerts(self.engine):
                if alert.checkout_id == checkout_id and alert.kind in MONEY:
                    return alert
            await asyncio.sleep(0.05)
        raise AssertionError(f"no alert about {checkout_id} within {seconds:g} s")

    async def dead_letter(self, key: str) -> bytes:
        """The bytes of the dead letter with this key."""
        return await self.client.dead_letter(key)

    def code(self) -> str:
        """A unique coupon code."""
        return unique("C").upper()

    def event_names(self, cart_id: str) -> list[str]:
        """The names of the events of a cart, in their order."""
        return [type(event).__name__ for event in self.events(cart_id)]

    def events(self, cart_id: str) -> list[Message]:
        """The events of a cart, in their order."""
        return [seen.event for seen in self.client.seen(cart_id)]
