"""Records that nobody can read, that are as large as the broker takes them, and very many of them."""

import asyncio
import contextlib
import os
import uuid
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import cycle, islice
from typing import Any, Final

from aiokafka.errors import KafkaError

from proofs.background import background
from proofs.chaos.faults.kinds import Begin
from proofs.chaos.schedule import Kind
from proofs.chaos.world import World
from shared.contract.cart import PreviewCheckout
from shared.contract.envelope import Envelope, write
from shared.contract.inventory import ReceiveStock
from shared.contract.message import Message
from shared.contract.order import CancelOrder
from shared.contract.topics import TOPICS
from shared.runtime import kafka
from shared.runtime.kafka import topic_checks

FAMILY: Final = "records"
POISON: Final = (b"", b"\xff\xfe{", b"{}", b"null", b'{"type": 1}', b"[" * 10_000, b'{"a":' * 10_000, b"\x00" * 100)
POISON_SECONDS: Final = 1.0
FRAME_BYTES: Final = 1_000
"""What the largest record is smaller than the limit, for what is around its value."""
MANY: Final = 100_000
KEYS: Final = 600
"""Keys in a backlog."""
CHUNK: Final = 2_000

Sent = tuple[int, bytes, Sequence[tuple[str, bytes]]]
"""A record: its partition, value and headers."""


def kinds(world: World) -> dict[Kind, Begin]:
    """The kinds of this family, in topics that have a reader who answers for every record."""
    topics = tuple(name for name, topic in TOPICS.items() if topic.reader)
    return {
        Kind(FAMILY, "poison", topics, (2.0, 6.0)): poison,
        Kind(FAMILY, "oversized records", topics, (0.0, 1.0)): oversized,
        Kind(FAMILY, f"backlog of {MANY:,}", tuple(BACKLOGS), (0.0, 1.0)): backlog,
    }


@contextlib.asynccontextmanager
async def poison(world: World, target: str) -> AsyncIterator[None]:
    """Garbage in every partition, between good records."""

    async def pouring() -> None:
        while True:
            await _pour(world, target, ((p, value, ()) for p in range(world.settings.partitions) for value in POISON))
            await asyncio.sleep(POISON_SECONDS)

    async with background(pouring()):
        yield


@contextlib.asynccontextmanager
async def oversized(world: World, target: str) -> AsyncIterator[None]:
    """A record in every partition that is as large as the broker takes it, and means nothing."""
    largest = int(topic_checks.wanted_config(TOPICS[target], world.settings)["max.message.bytes"])
    size = min(largest, kafka.MAX_REQUEST_BYTES) - FRAME_BYTES
    await _pour(world, target, ((p, os.urandom(size), ()) for p in range(world.settings.partitions)), max_batch_size=1)
    yield


@contextlib.asynccontextmanager
async def backlog(world: World, target: str) -> AsyncIterator[None]:
    """A service is stopped, and very many commands come for it."""
    reader = TOPICS[target].reader
    assert reader
    service = world.programs[reader]
    await service.stop()
    try:
        await _pour(world, target, _commands(target, world.settings.partitions))
        yield
    finally:
        service.start()


def _preview(key: str) -> Message:
    return PreviewCheckout(cart_id=key)


def _cancel(key: str) -> Message:
    return CancelOrder(cart_id=key, checkout_id=f"{key}.1", reason="chaos")


def _receive(key: str) -> Message:
    return ReceiveStock(sku=key, quantity=1)


BACKLOGS: Final = {"cart.commands": _preview, "order.commands": _cancel, "inventory.commands": _receive}
"""Commands that a service must answer each, if only by refusing it."""


def _commands(topic: str, partitions: int) -> Iterator[Sent]:
    run = uuid.uuid4().hex
    written = []
    for n in range(KEYS):
        message = BACKLOGS[topic](f"backlog-{run[:8]}-{n}")
        headers, value = write(
            Envelope("", "/quadrille/chaos", message.type_name(), message.key, ""), message, datetime.now(UTC)
        )
        others = [(name, text) for name, text in headers if name != "ce_id"]
        written.append((kafka.partition_of(message.key, partitions), value, others))
    for n, (partition, value, headers) in zip(range(MANY), cycle(written)):
        yield partition, value, [*headers, ("ce_id", f"{run}-{n}".encode())]


async def _pour(world: World, topic: str, records: Iterable[Sent], max_batch_size: int = CHUNK) -> None:
    """Send records, as often as it takes: the broker may be the other fault of a pair."""
    name, producer = world.settings.topic(topic), None
    try:
        for some in _chunks(records, max_batch_size):
            while True:
                try:
                    producer = producer or await kafka.new_producer(world.settings, "chaos")
                    async with asyncio.timeout(kafka.CLIENT_SECONDS):
                        sent = [await producer.send(name, v, b"chaos", partition=p, headers=list(h)) for p, v, h in some]
                        await asyncio.gather(*sent)
                    break
                except (KafkaError, OSError, TimeoutError):
                    await _without(producer)
                    producer = None
    finally:
        await _without(producer)


async def _without(producer: Any) -> None:
    if producer is not None:
        await kafka.stop(producer, 2)
    await asyncio.sleep(0.2)


def _chunks(records: Iterable[Sent], size: int) -> Iterator[list[Sent]]:
    rest = iter(records)
    while some := list(islice(rest, size)):
        yield some
