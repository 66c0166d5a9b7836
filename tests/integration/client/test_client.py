"""The client on a real broker: it asks how many partitions there are, and gives up in time."""

import time
import uuid
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic

from shared.client import CheckoutClient, OutcomeTimeoutError
from shared.contract.cart import CartOpened, OpenCart
from shared.contract.envelope import write
from shared.runtime import kafka
from shared.settings import Settings, load
from tests.support.clock import NOW
from tests.support.facts import a
from tests.support.stacks import Stack
from tests.support.topics import raw_producer, records
from tests.unit.contract.records import envelope

THERE = 3
"""Partitions of the topics; the settings' own number is 6."""
CARTS = [f"cart{number}" for number in range(12)]


@pytest_asyncio.fixture
async def settings(stack: Stack) -> AsyncIterator[Settings]:
    """Of somebody who knows the broker and the prefix, with topics for carts alone."""
    found = load({**stack.environment, "QUADRILLE_TOPIC_PREFIX": f"t{uuid.uuid4().hex[:8]}."})
    await create(found, "cart.commands", "cart.events")
    yield found


async def create(settings: Settings, *topics: str) -> None:
    admin = AIOKafkaAdminClient(**settings.kafka_client())
    await kafka.start(admin)
    await admin.create_topics([NewTopic(settings.topic(topic), THERE, 1) for topic in topics])
    await kafka.stop(admin)


async def publish(settings: Settings, *carts: str) -> None:
    """Events as the services write them: where any Kafka client puts their keys."""
    async with raw_producer(settings) as producer:
        for cart_id in carts:
            event = a(CartOpened, cart_id=cart_id)
            headers, value = write(envelope(event), event, NOW)
            await producer.send_and_wait(settings.topic("cart.events"), value, cart_id.encode(), headers=headers)


async def test_the_client_asks_the_broker_for_the_partitions(settings: Settings) -> None:
    async with CheckoutClient(settings, topics=["cart.events"]) as client:
        await client.send(*(OpenCart(cart_id=cart_id, currency="EUR", customer_id="k") for cart_id in CARTS))
        await publish(settings, *CARTS)
        for cart_id in CARTS:
            await client.wait_for(cart_id, CartOpened)
    there = settings.model_copy(update={"partitions": THERE})
    sent = {record.key.decode(): record.partition for record in await records(there, "cart.commands", len(CARTS))}
    assert sent == {cart_id: kafka.partition_of(cart_id, THERE) for cart_id in CARTS}


async def test_what_stands_in_a_new_partition_is_heard(settings: Settings) -> None:
    late = next(f"late{n}" for n in range(1_000) if kafka.partition_of(f"late{n}", THERE + 1) == THERE)
    async with CheckoutClient(settings, topics=["cart.events"]) as client:
        client._consumer._client._metadata_max_age_ms = 500
        await client._consumer._client.force_metadata_update()
        await client.send(OpenCart(cart_id=late, currency="EUR", customer_id="k"))
        admin = AIOKafkaAdminClient(**settings.kafka_client())
        await kafka.start(admin)
        await admin.create_partitions({settings.topic("cart.events"): NewPartitions(THERE + 1)})
        await kafka.stop(admin)
        await publish(settings, late, CARTS[0])
        await client.wait_for(late, CartOpened)


async def test_a_broker_that_does_not_take_a_command_is_waited_for_so_long_and_no_longer(settings: Settings) -> None:
    command = OpenCart(cart_id="c1", currency="EUR", customer_id="k")
    away = settings.model_copy(update={"topic_prefix": f"{settings.topic_prefix}none."})
    async with CheckoutClient(settings, topics=["cart.events"]) as client:
        client._settings = away
        calls = (
            lambda: client.send(command, timeout=0.5),
            lambda: client.ask(command, (CartOpened,), timeout=0.5),
            lambda: client.confirm("c1", timeout=0.5),
        )
        for call in calls:
            started = time.monotonic()
            with pytest.raises(OutcomeTimeoutError, match=r"the broker did not say within 0\.5 s that it has \w+"):
                await call()
            assert time.monotonic() - started < 5


async def test_topics_that_are_not_there_are_named(settings: Settings) -> None:
    with pytest.raises(kafka.TopicsError, match=r"the broker has no topic \w+\.order\.events: run `quadrille topics create`"):
        await CheckoutClient(settings, topics=["order.events"]).__aenter__()
