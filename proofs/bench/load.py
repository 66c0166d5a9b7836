"""The load: prepared carts, confirmed at a pace, seen again as ``OrderConfirmed``. Light, as it shares the machine."""

import asyncio
import contextlib
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from aiokafka import TopicPartition

from devstack.demo.shop import BERLIN, card
from shared.contract.cart import (
    AddItem,
    ConfirmCheckout,
    OpenCart,
    SetPaymentMethod,
    SetShippingAddress,
    SetShippingMethod,
    StartCheckout,
)
from shared.contract.envelope import Envelope, write
from shared.contract.inventory import ReceiveStock
from shared.contract.message import Message
from shared.contract.products import ProductListed
from shared.errors import QuadrilleError
from shared.runtime import kafka
from shared.settings import Settings
from shared.timeouts import happens

PRODUCTS: Final = 50
WATCHED: Final = ("cart.events", "inventory.events", "order.events")
CONFIRMED: Final = b"quadrille.OrderConfirmed.v1"
RECEIVED: Final = b"quadrille.StockReceived.v1"
CHANGED: Final = b"quadrille.CartChanged.v1"
REJECTED: Final = b"quadrille.CommandRejected.v1"
ANSWER_SECONDS: Final = 30


L = TypeVar("L", bound="Load")


class LoadError(QuadrilleError):
    """Checkouts did not come to their end in time."""


class Load:
    """One client of Kafka that prepares carts and confirms them. Times are seconds of the monotonic clock."""

    def __init__(self, settings: Settings, producer: Any, consumer: Any) -> None:
        self._settings, self._producer, self._consumer = settings, producer, consumer
        self.counts: Counter[bytes] = Counter()
        self.confirmed: dict[str, float] = {}
        self.sent: dict[str, float] = {}
        self._news = asyncio.Event()

    async def watch(self) -> None:
        """Count the events by their type until cancelled; nothing but headers is read."""
        while True:
            batches = await self._consumer.getmany(timeout_ms=1_000)
            now = time.monotonic()
            for records in batches.values():
                for record in records:
                    headers = dict(record.headers)
                    kind = headers["ce_type"]
                    self.counts[kind] += 1
                    self.seen(kind, record.key.decode(), now)
            self._news.set()

    def seen(self, kind: bytes, cart_id: str, now: float) -> None:
        """An event of a cart, or of a SKU, has arrived."""
        if kind == CONFIRMED:
            self.confirmed[cart_id] = now

    async def news(self, seconds: float) -> None:
        """Wait for events, at most so long."""
        self._news.clear()
        await happens(self._news, seconds)

    async def until(self, kind: str, count: int, seconds: float = 120) -> None:
        """Wait for so many events of a type. Raises :class:`LoadError`."""
        name = f"quadrille.{kind}.v1".encode()
        deadline = time.monotonic() + seconds
        while self.counts[name] < count:
            if time.monotonic() > deadline:
                raise LoadError(f"{self.counts[name]} of {count} {kind} after {seconds:g} s")
            await self.news(1)

    async def prepare(self, count: int) -> list[str]:
        """So many carts for which only the confirmation is missing."""
        run = uuid.uuid4().hex[:8]
        skus = await self.products(run)
        carts = [f"bench-{run}-{n}" for n in range(count)]
        for n, cart_id in enumerate(carts):
            await self.fill(cart_id, skus[n % PRODUCTS])
        await self.until("CheckoutDetailsSet", 3 * count)
        await self.until("StockReserved", count)
        return carts

    async def products(self, run: str) -> list[str]:
        """The SKUs of a run, listed, known to cart and in stock."""
        skus = [f"bench-{run}-{n}" for n in range(PRODUCTS)]
        received = self.counts[RECEIVED]
        for sku in skus:
            await self.send(ProductListed(sku=sku, name="Bench", prices={"EUR": 1000}, weight_grams=100))
            await self.send(ReceiveStock(sku=sku, quantity=10**6))
        await self.until("StockReceived", received + PRODUCTS)
        await self._until_sold(skus)
        return skus

    async def fill(self, cart_id: str, sku: str, token: str = "tok_approve") -> None:
        """Send all a customer sends before the confirmation."""
        for command in (
            OpenCart(cart_id=cart_id, currency="EUR", customer_id="bench"),
            AddItem(cart_id=cart_id, sku=sku),
            StartCheckout(cart_id=cart_id),
            SetShippingAddress(cart_id=cart_id, address=BERLIN),
            SetShippingMethod(cart_id=cart_id, method="standard"),
            SetPaymentMethod(cart_id=cart_id, method=card(token)),
        ):
            await self.send(command)

    async def _until_sold(self, skus: Sequence[str]) -> None:
        """The catalogue travels in a topic of its own: ask until cart knows every product."""
        probe = f"probe-{uuid.uuid4().hex[:8]}"
        await self.send(OpenCart(cart_id=probe, currency="EUR", customer_id="bench"))
        for sku in skus:
            known = self.counts[CHANGED]
            while self.counts[CHANGED] == known:
                answers = self.counts[CHANGED] + self.counts[REJECTED]
                await self.send(AddItem(cart_id=probe, sku=sku))
                while self.counts[CHANGED] + self.counts[REJECTED] == answers:
                    self._news.clear()
                    async with asyncio.timeout(ANSWER_SECONDS):
                        await self._news.wait()

    async def alone(self, carts: Sequence[str]) -> list[float]:
        """One checkout after the other; returns the seconds from command to confirmation."""
        for cart_id in carts:
            await self.confirm(cart_id)
            await self.until_confirmed([cart_id])
        return self.latencies(carts)

    async def top(self, carts: Sequence[str], window: int) -> float:
        """As fast as it goes with so many under way; returns confirmed checkouts per second."""
        started, next_ = time.monotonic(), 0
        before = len(self.confirmed)
        while next_ < len(carts):
            done = len(self.confirmed) - before
            free = window - (next_ - done)
            for cart_id in carts[next_ : next_ + max(0, free)]:
                await self.confirm(cart_id)
                next_ += 1
            self._news.clear()
            await self._news.wait()
        await self.until_confirmed(carts)
        return len(carts) / (max(self.confirmed[c] for c in carts) - started)

    async def paced(self, carts: Sequence[str], rate: float) -> list[float]:
        """So many a second, whatever comes back; latencies count from when a command was due, not from when it left."""
        started = time.monotonic()
        for n, cart_id in enumerate(carts):
            due = started + n / rate
            if (wait := due - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            await self.confirm(cart_id)
            self.sent[cart_id] = due
        await self.until_confirmed(carts)
        return self.latencies(carts)

    def latencies(self, carts: Sequence[str]) -> list[float]:
        """Seconds from command to confirmation, sorted."""
        return sorted(self.confirmed[c] - self.sent[c] for c in carts)

    async def until_confirmed(self, carts: Sequence[str], seconds: float = 120) -> None:
        """Wait until all of them are confirmed. Raises :class:`LoadError`."""
        deadline = time.monotonic() + seconds
        while missing := [c for c in carts if c not in self.confirmed]:
            if time.monotonic() > deadline:
                raise LoadError(f"{len(missing)} checkouts were not confirmed, {missing[0]} among them")
            await self.news(1)

    async def confirm(self, cart_id: str) -> None:
        """Confirm a checkout."""
        self.sent[cart_id] = time.monotonic()
        await self.send(ConfirmCheckout(cart_id=cart_id))

    async def send(self, message: Message) -> None:
        """Publish a command, or a product of the catalogue."""
        envelope = Envelope(str(uuid.uuid4()), "/quadrille/bench", message.type_name(), message.key, "bench")
        headers, value = write(envelope, message, datetime.now(UTC))
        partition = kafka.lane_of(message.key, self._settings.partitions)
        topic = self._settings.topic(message.topic)
        await self._producer.send(topic, value, message.key.encode(), partition=partition, headers=headers)


@contextlib.asynccontextmanager
async def load(settings: Settings) -> AsyncIterator[Load]:
    """A load, watching from now on."""
    async with watching(Load, settings) as made:
        yield made


@contextlib.asynccontextmanager
async def watching(kind: Callable[[Settings, Any, Any], L], settings: Settings) -> AsyncIterator[L]:
    """A load of that kind, watching from now on."""
    producer = await kafka.producer(settings, "bench")
    consumer = kafka.consumer(settings, None, "bench")
    await kafka.start(consumer)
    partitions = [TopicPartition(settings.topic(t), p) for t in WATCHED for p in range(settings.partitions)]
    consumer.assign(partitions)
    await consumer.seek_to_end(*partitions)
    for partition in partitions:
        await consumer.position(partition)
    made = kind(settings, producer, consumer)
    watch = asyncio.create_task(made.watch())
    try:
        yield made
    finally:
        watch.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watch
        await kafka.stop(consumer)
        await kafka.stop(producer)
