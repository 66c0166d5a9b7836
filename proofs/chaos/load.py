"""Customers, so many a second, each with a story of their own; and probes, which tell when the shop works again."""

import asyncio
import contextlib
import random
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from devstack.demo import scenarios
from devstack.demo.scenarios import UnexpectedError, expect
from devstack.demo.shop import Shop, card, checkout
from proofs.chaos.client import DurableClient
from shared.client import OutcomeTimeoutError
from shared.contract.cart import AddItem, CheckoutCompleted, CheckoutDetailsSet, OpenCart
from shared.contract.inventory import ReservationFailed, StockReserved
from shared.contract.order import OrderCancelled
from shared.contract.payment import PaymentVoided
from shared.runtime import kafka
from shared.settings import Settings

PROBE_SECONDS: Final = 30.0
"""A probe that had no answer by then is left alone, and another sent: a customer would try again too."""
RARE_UNITS: Final = 3
"""Units of a product that several customers want at once."""
Story = Callable[[Shop], Awaitable[object]]


async def void_refused_twice(shop: Shop) -> None:
    """The capture fails, and the gateway lets the authorization go only when asked for the third time."""
    sku = await shop.product(stock=1)
    cart_id, _ = await shop.check_out(sku, payment=card("tok_decline_capture+refuse_void_2"))
    await shop.client.wait_for(cart_id, OrderCancelled)
    await shop.client.wait_for(cart_id, PaymentVoided)


async def rush(shop: Shop) -> None:
    """More customers at once than there are units."""
    sku = await shop.product(stock=RARE_UNITS)

    async def one() -> None:
        cart_id = await shop.cart(sku)
        before = shop.client.count
        await shop.prepare(cart_id, reserved=False)
        answer = await shop.client.next_event(cart_id, before, (StockReserved, ReservationFailed))
        if isinstance(answer, StockReserved):
            await shop.client.confirm(cart_id)

    await asyncio.gather(*(one() for _ in range(RARE_UNITS + 1)))


STORIES: Final[dict[Story, int]] = {
    scenarios.happy_path: 30,
    scenarios.cash_on_delivery: 8,
    scenarios.another_card: 8,
    scenarios.double_confirm: 8,
    scenarios.totals_in_euro: 4,
    scenarios.totals_in_yen: 4,
    scenarios.capture_fails: 6,
    void_refused_twice: 4,
    scenarios.void_fails: 1,
    scenarios.cancel_before_capture: 4,
    scenarios.cancel_during_capture: 4,
    scenarios.cancel_after_capture: 5,
    scenarios.timeout_after_effect: 3,
    scenarios.price_changed: 2,
    scenarios.other_total: 2,
    scenarios.out_of_stock: 2,
    rush: 2,
    scenarios.abandoned: 4,
    scenarios.expired: 2,
}
"""What customers do, and how many of about a hundred."""


class Load:
    """Customers who come at a rate until stopped. ``as_planned``: how their stories went; ``broken``: what should never be."""

    def __init__(self, client: DurableClient, shop: Shop, seed: int) -> None:
        self._client, self._shop = client, shop
        self._chance = random.Random(seed)
        self._customers: set[asyncio.Task[None]] = set()
        self.stories = self.as_planned = 0
        self.otherwise: Counter[str] = Counter()

    async def run(self, rate: float) -> None:
        """Let customers come until cancelled; then all go, wherever they are."""
        started, n = time.monotonic(), 0
        stories, weights = list(STORIES), list(STORIES.values())
        try:
            while True:
                await asyncio.sleep(max(0.0, started + n / rate - time.monotonic()))
                (story,) = self._chance.choices(stories, weights)
                task = asyncio.create_task(self._customer(story))
                self._customers.add(task)
                task.add_done_callback(self._customers.discard)
                n += 1
        finally:
            for task in self._customers:
                task.cancel()
            await asyncio.gather(*self._customers, return_exceptions=True)

    async def _customer(self, story: Story) -> None:
        shop = Shop(self._client, self._shop.engine)
        self.stories += 1
        try:
            await story(shop)
            self.as_planned += 1
        except (UnexpectedError, OutcomeTimeoutError, AssertionError, SQLAlchemyError, OSError) as error:
            # a fault may well bring a customer another end than planned; whether it is a right one the audit says
            self.otherwise[type(error).__name__] += 1
        finally:
            self._client.forget(shop.carts)


async def recovered(client: DurableClient, settings: Settings, sku: str, seconds: float) -> float | None:
    """Seconds until a checkout begun now was confirmed in every partition; nothing where that takes longer than ``seconds``."""
    started = time.monotonic()
    try:
        async with asyncio.timeout(seconds):
            await asyncio.gather(*(_until_confirmed(client, settings, sku, p) for p in range(settings.partitions)))
    except TimeoutError:
        return None
    return time.monotonic() - started


async def _until_confirmed(client: DurableClient, settings: Settings, sku: str, partition: int) -> None:
    while True:
        with contextlib.suppress(OutcomeTimeoutError, UnexpectedError):
            return await _probe(client, _cart_in(partition, settings.partitions), sku)


async def _probe(client: DurableClient, cart_id: str, sku: str) -> None:
    await client.send(
        OpenCart(cart_id=cart_id, currency="EUR", customer_id="probe"),
        AddItem(cart_id=cart_id, sku=sku),
        *checkout(cart_id),
    )
    await client.wait_for(cart_id, CheckoutDetailsSet, where=lambda e: not e.missing, timeout=PROBE_SECONDS)
    await client.wait_for(cart_id, StockReserved, timeout=PROBE_SECONDS)
    expect(await client.confirm(cart_id, timeout=PROBE_SECONDS), CheckoutCompleted)
    client.forget([cart_id])


def _cart_in(partition: int, partitions: int) -> str:
    while True:
        cart_id = f"probe-{uuid.uuid4().hex[:10]}"
        if kafka.partition_of(cart_id, partitions) == partition:
            return cart_id
