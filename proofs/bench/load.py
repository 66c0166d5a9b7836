"""The load: prepared carts, confirmed at a pace, seen again as ``OrderConfirmed``. Light, as it shares the machine."""

import asyncio
import contextlib
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from aiokafka import TopicPartition

from devstack.demo.shop import checkout
from proofs.background import background
from shared.contract.cart import AddItem, ConfirmCheckout, OpenCart
from shared.contract.envelope import Envelope, write
from shared.contract.inventory import ReceiveStock
from shared.contract.message import Message
from shared.contract.products import ProductListed
from shared.errors import QuadrilleError
from shared.runtime import kafka
from shared.settings import Settings
from shared.timeouts import wait_for_event

PRODUCTS: Final = 50
WATCHED: Final = ("cart.events", "inventory.events", "order.events")
CONFIRMED: Final = b"quadrille.OrderConfirmed.v1"
RESERVED: Final = b"quadrille.StockReserved.v1"
CHANGED: Final = b"quadrille.CartChanged.v1"
REJECTED: Final = b"quadrille.CommandRejected.v1"
ANSWER_SECONDS: Final = 30


Measured = tuple[float, list[float]]
"""Seconds until the last was confirmed, and for each the seconds from its command to its confirmation, sorted."""


class LoadError(QuadrilleError):
    """Checkouts did not come to their end in time."""


class Load:
    """One client of Kafka that prepares carts and confirms them. Times are seconds of the monotonic clock."""

    def __init__(self, settings: Settings, producer: Any, consumer: Any) -> None:
        self._settings, self._producer, self._consumer = settings, producer, consumer
        self._counts: Counter[bytes] = Counter()
        self._confirmed: dict[str, float] = {}
        self._sent: dict[str, float] = {}
        self._to_confirm: set[str] = set()
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
                    self._counts[kind] += 1
                    if kind == CONFIRMED:
                        self._confirmed[record.key.decode()] = now
                    elif kind == RESERVED and (cart_id := record.key.decode()) in self._to_confirm:
                        self._to_confirm.remove(cart_id)
                        await self._confirm(cart_id)
            self._news.set()

    async def _wait_for_news(self, seconds: float) -> None:
        """Wait for events, at most so long."""
        self._news.clear()
        await wait_for_event(self._news, seconds)

    async def _until(self, kind: str, count: int, seconds: float = 120) -> None:
        """Wait for so many events of a type. Raises :class:`LoadError`."""
        name = f"quadrille.{kind}.v1".encode()
        deadline = time.monotonic() + seconds
        while self._counts[name] < count:
            if time.monotonic() > deadline:
                raise LoadError(f"{self._counts[name]} of {count} {kind} after {seconds:g} s")
            await self._wait_for_news(1)

    async def prepare(self, count: int) -> list[str]:
        """So many carts for which only the confirmation is missing."""
        run = uuid.uuid4().hex[:8]
        skus = await self._products(run)
        carts = [f"bench-{run}-{n}" for n in range(count)]
        for n, cart_id in enumerate(carts):
            await self._fill(cart_id, skus[n % PRODUCTS])
        await self._until("CheckoutDetailsSet", 3 * count)
        await self._until("StockReserved", count)
        return carts

    async def _products(self, run: str) -> list[str]:
        """List and stock the SKUs of a run, and wait until cart knows them."""
        skus = [f"bench-{run}-{n}" for n in range(PRODUCTS)]
        for sku in skus:
            await self._send(ProductListed(sku=sku, name="Bench", prices={"EUR": 1000}, weight_grams=100))
            await self._send(ReceiveStock(sku=sku, quantity=10**6))
        await self._until("StockReceived", PRODUCTS)
        await self._until_sold(skus)
        return skus

    async def _fill(self, cart_id: str, sku: str) -> None:
        """Send all a customer sends before the confirmation."""
        for command in (
            OpenCart(cart_id=cart_id, currency="EUR", customer_id="bench"),
            AddItem(cart_id=cart_id, sku=sku),
            *checkout(cart_id),
        ):
            await self._send(command)

    async def _until_sold(self, skus: Sequence[str]) -> None:
        """The catalogue travels in a topic of its own: ask until cart knows every product."""
        probe = f"probe-{uuid.uuid4().hex[:8]}"
        await self._send(OpenCart(cart_id=probe, currency="EUR", customer_id="bench"))
        for sku in skus:
            known = self._counts[CHANGED]
            while self._counts[CHANGED] == known:
                answers = self._counts[CHANGED] + self._counts[REJECTED]
                await self._send(AddItem(cart_id=probe, sku=sku))
                while self._counts[CHANGED] + self._counts[REJECTED] == answers:
                    self._news.clear()
                    async with asyncio.timeout(ANSWER_SECONDS):
                        await self._news.wait()

    async def alone(self, carts: Sequence[str]) -> Measured:
        """One checkout after the other."""
        started = time.monotonic()
        for cart_id in carts:
            await self._confirm(cart_id)
            await self._until_confirmed([cart_id])
        return self._measured(started, carts)

    async def customers(self, count: int, window: int) -> Measured:
        """So many customers with all their commands, as fast as it goes; each confirms when the stock is reserved."""
        skus = await self._products(uuid.uuid4().hex[:8])
        carts = [f"{skus[0]}-{n}" for n in range(count)]
        started, before, after = time.monotonic(), len(self._confirmed), 0
        self._to_confirm.update(carts)
        while after < count:
            free = window - (after - (len(self._confirmed) - before))
            for n in range(after, min(count, after + free)):
                await self._fill(carts[n], skus[n % PRODUCTS])
                after += 1
            await self._wait_for_news(1)
        await self._until_confirmed(carts)
        return max(self._confirmed[c] for c in carts) - started, []

    async def top(self, carts: Sequence[str], window: int) -> Measured:
        """As fast as it goes with so many under way. Nothing is said of how long each takes: it waits for the others."""
        started, next_ = time.monotonic(), 0
        before = len(self._confirmed)
        while next_ < len(carts):
            done = len(self._confirmed) - before
            free = window - (next_ - done)
            for cart_id in carts[next_ : next_ + max(0, free)]:
                await self._confirm(cart_id)
                next_ += 1
            self._news.clear()
            await self._news.wait()
        await self._until_confirmed(carts)
        return max(self._confirmed[c] for c in carts) - started, []

    async def paced(self, carts: Sequence[str], rate: float) -> Measured:
        """So many a second, whatever comes back; latencies count from when a command was due, not from when it left."""
        started = time.monotonic()
        for n, cart_id in enumerate(carts):
            due = started + n / rate
            if (wait := due - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            await self._confirm(cart_id)
            self._sent[cart_id] = due
        await self._until_confirmed(carts)
        return self._measured(started, carts)

    def _measured(self, started: float, carts: Sequence[str]) -> Measured:
        latencies = sorted(self._confirmed[c] - self._sent[c] for c in carts)
        return max(self._confirmed[c] for c in carts) - started, latencies

    async def _until_confirmed(self, carts: Sequence[str], seconds: float = 120) -> None:
        """Wait until all of them are confirmed. Raises :class:`LoadError`."""
        deadline = time.monotonic() + seconds
        while missing := [c for c in carts if c not in self._confirmed]:
            if time.monotonic() > deadline:
                raise LoadError(f"{len(missing)} checkouts were not confirmed, {missing[0]} among them")
            await self._wait_for_news(1)

    async def _confirm(self, cart_id: str) -> None:
        """Confirm a checkout."""
        self._sent[cart_id] = time.monotonic()
        await self._send(ConfirmCheckout(cart_id=cart_id))

    async def _send(self, message: Message) -> None:
        """Publish a command, or a product of the catalogue."""
        envelope = Envelope(str(uuid.uuid4()), "/quadrille/bench", message.type_name(), message.key, "bench")
        headers, value = write(envelope, message, datetime.now(UTC))
        partition = kafka.partition_of(message.key, self._settings.partitions)
        topic = self._settings.topic(message.topic)
        await self._producer.send(topic, value, message.key.encode(), partition=partition, headers=headers)


@contextlib.asynccontextmanager
async def load(settings: Settings) -> AsyncIterator[Load]:
    """A load that sees every event from now on."""
    producer = await kafka.new_producer(settings, "bench")
    consumer = kafka.new_consumer(settings, None, "bench")
    await kafka.start(consumer)
    partitions = [TopicPartition(settings.topic(t), p) for t in WATCHED for p in range(settings.partitions)]
    consumer.assign(partitions)
    await consumer.seek_to_end(*partitions)
    for partition in partitions:
        await consumer.position(partition)
    made = Load(settings, producer, consumer)
    try:
        async with background(made.watch()):
            yield made
    finally:
        await kafka.stop(consumer)
        await kafka.stop(producer)
