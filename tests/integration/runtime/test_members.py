"""What a member has in hand when Kafka assigns its partitions anew: nothing of it is passed over, whenever that happens."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import NewPartitions
from sqlalchemy import text

from services.inventory.__main__ import define
from shared.contract.cart import CheckoutStarted
from shared.contract.envelope import Envelope, Record, write
from shared.contract.inventory import ReceiveStock
from shared.contract.values import Item
from shared.runtime import kafka
from shared.runtime import service as runtime
from shared.runtime.definition import Definition
from shared.runtime.kafka.consumer import PARTITION_RECORDS, POLL_RECORDS, PartitionConsumer
from shared.runtime.observability.health import STALL_SECONDS
from shared.runtime.service import Service
from tests.integration.runtime.conftest import Inventory
from tests.support.clock import NOW
from tests.support.facts import a
from tests.support.topics import publish, raw_producer, records, transactional_producer

IDS = [f"id-{number:03d}" for number in range(20)]


class Leaving(PartitionConsumer):
    """A member that says when it has lost its partitions."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.left = asyncio.Event()

    async def on_partitions_revoked(self, revoked: set[Any]) -> None:
        await super().on_partitions_revoked(revoked)
        if revoked:
            self.left.set()


async def _arrived(member: PartitionConsumer, count: int) -> list[int]:
    """The offsets of so many records, as they are taken."""
    found: list[int] = []
    while len(found) < count:
        found += [record.offset for record in await _records(member)]
    return found


async def test_a_partition_is_read_from_its_committed_offset_when_it_is_taken(inventory: Inventory) -> None:
    await inventory.receive("tea", IDS)
    partition = inventory.partition_of("tea")
    async with PartitionConsumer("inventory", inventory.settings, ["inventory.commands"], asyncio.Lock()) as member:
        assert await _arrived(member, 20) == list(range(20))
        await member.seek_to_committed({(partition + 1) % 6})
        await member.seek_to_committed({partition})
        assert await _arrived(member, 20) == list(range(20))
        member.epochs = {partition: 1}
        await member.seek_to_committed({partition})
        member.mark_processed([record for record in await _records(member) if record.offset < 15])
        await member.commit_offsets()
        await member.seek_to_committed({partition})
        assert await _arrived(member, 5) == list(range(15, 20))


async def test_what_is_under_way_does_not_wait_behind_all_that_is_to_be_begun(inventory: Inventory) -> None:
    """Thousands of commands are at hand, of every partition, when an event of a checkout comes."""
    settings = inventory.settings
    commands, event = settings.topic("inventory.commands"), TopicPartition(settings.topic("order.events"), 0)
    members = PartitionConsumer("inventory", settings, ["inventory.commands", "order.events"], asyncio.Lock())
    async with raw_producer(settings) as producer:
        for number in range(12_000):
            await producer.send(commands, b"command", partition=number % 6)
        await producer.flush()
        async with members as member:
            await _until_full(member)
            await producer.send_and_wait(event.topic, b"event", partition=0)
            await _until_at_hand(member, event)
            taken: list[bytes | None] = []
            while b"event" not in taken:
                taken += [record.value for record in await _records(member)]
    assert len(taken) <= 2 * POLL_RECORDS + 6 * PARTITION_RECORDS


async def _until_at_hand(member: PartitionConsumer, place: TopicPartition) -> None:
    async with asyncio.timeout(20):
        while True:
            if member._consumer.highwater(place):
                return
            await asyncio.sleep(0.01)


async def _until_full(member: PartitionConsumer) -> None:
    async with asyncio.timeout(20):
        while len(member._arrived) < POLL_RECORDS:
            await member.ready.wait()
            member.ready.clear()


async def test_what_a_transaction_wrote_is_handled_when_it_is_committed_and_never_when_it_is_aborted(
    inventory: Inventory,
) -> None:
    topic, partition = inventory.settings.topic("inventory.commands"), inventory.partition_of("tea")
    members = PartitionConsumer("inventory", inventory.settings, ["inventory.commands"], asyncio.Lock())
    async with transactional_producer(inventory.settings) as producer, members as member:
        for value in (b"aborted", b"committed"):
            await producer.begin_transaction()
            sent = await producer.send(topic, value, b"tea", partition=partition)
            await sent
            await (producer.abort_transaction() if value == b"aborted" else producer.commit_transaction())
        assert [(record.value, record.offset) for record in await _records(member)] == [(b"committed", 2)]


async def _records(member: PartitionConsumer) -> list[Record]:
    async with asyncio.timeout(20):
        while not (records := member.drain()):
            await member.ready.wait()
            member.ready.clear()
    return records


async def test_a_member_comes_back_whose_records_nobody_took_for_longer_than_its_group_allows(inventory: Inventory) -> None:
    """As while a database is away: nothing is taken, so nothing is polled, so the group is left."""
    await inventory.receive("tea", IDS)
    topics, limit = ["inventory.commands"], {"max_poll_interval_ms": 1_000}
    async with Leaving("inventory", inventory.settings, topics, asyncio.Lock(), records=5, **limit) as member:
        async with asyncio.timeout(30):
            await member.partitions()
            await member.left.wait()
            assert await member.partitions() == set(range(6))
            assert await _arrived(member, 20) == list(range(20))


async def test_what_arrives_while_partitions_are_assigned_anew_is_handled(
    inventory: Inventory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rebalance begins and ends while the service waits for something to do, and records come before it has looked.

    One that waited like that for a minute would say so.
    """
    service = Service(define(inventory.settings), inventory.settings)
    owned, waits, go_on = asyncio.Event(), asyncio.Event(), asyncio.Event()
    service.on_assigned = lambda partitions: owned.set()

    async def wait_for_capacity(seconds: float) -> bool:
        if owned.is_set():
            waits.set()
            await go_on.wait()
        return True

    monkeypatch.setattr(service.relay, "wait_for_capacity", wait_for_capacity)
    running = asyncio.create_task(service.run())
    try:
        async with asyncio.timeout(30):
            await waits.wait()
            assert service.state()["ready"]
            service._heartbeat._last -= STALL_SECONDS
            assert "stalled" in str(service.state()["trouble"])
            member = service._consumer
            assert member is not None
            assigned = member._consumer.assignment()
            await member.on_partitions_revoked(assigned)
            member.ready.clear()
            await inventory.receive("tea", IDS)
            await member.ready.wait()
            await member.on_partitions_assigned(assigned)
            go_on.set()
        await inventory.until_on_hand("tea", 20)
    finally:
        service.stop()
        await running


class Older(Definition):
    """Inventory before it read what cart says."""

    @property
    def topics(self) -> list[str]:
        return [topic for topic in super().topics if topic != "cart.events"]


CARTS = [f"cart-{number}" for number in range(30)]


async def _until_reserved(inventory: Inventory, checkouts: int) -> None:
    async with asyncio.timeout(60):
        found = 0
        while found < checkouts:
            found = await inventory.count("reservations")


async def _owned_by_both(services: Sequence[Service], partitions: int) -> None:
    """Wait until the two own all partitions, each some of them, and no two one of them."""
    async with asyncio.timeout(60):
        owned: list[int] = []
        while not (all(owned) and sum(owned) == partitions):
            await asyncio.sleep(0.05)
            owned = [len(service.partitions) for service in services]


async def _epochs(inventory: Inventory) -> dict[int, int]:
    async with inventory.engine.connect() as connection:
        return {row.partition: row.epoch for row in await connection.execute(text("SELECT partition, epoch FROM ownership"))}


async def _start_checkouts(inventory: Inventory) -> None:
    items = (Item(sku="tea", quantity=1),)
    events = [a(CheckoutStarted, cart_id=cart, checkout_id=f"{cart}.1", items=items) for cart in CARTS]
    await publish(inventory.settings, *events, ids=CARTS)


@pytest.fixture
def never_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    """No member looks into the outbox by itself, but when it takes a partition."""
    monkeypatch.setattr(runtime, "PENDING_SECONDS", 3_600)


@pytest.mark.usefixtures("never_searched")
async def test_what_came_by_another_partitioner_is_published_at_once_and_in_order_by_who_has_committed_it(
    inventory: Inventory,
) -> None:
    services = [Service(define(inventory.settings), inventory.settings) for _ in range(2)]
    running = [asyncio.create_task(service.run()) for service in services]
    try:
        await _owned_by_both(services, 6)
        right = inventory.partition_of("tea")
        (other,) = [service for service in services if right not in service.partitions]
        command, topic = ReceiveStock(sku="tea", quantity=1), inventory.settings.topic("inventory.commands")
        async with raw_producer(inventory.settings) as producer:
            for i in IDS:
                headers, value = write(Envelope(i, "/tests", command.type_name(), "tea", "c"), command, NOW)
                await producer.send_and_wait(topic, value, b"tea", headers=headers, partition=min(other.partitions))
        said = await records(inventory.settings, "inventory.events", len(IDS))
        assert {record.partition for record in said} == {right}
        assert [dict(record.headers)["ce_causationid"].decode() for record in said] == IDS
    finally:
        for service in services:
            service.stop()
        await asyncio.gather(*running)


@pytest.mark.usefixtures("never_searched")
async def test_members_of_different_versions_do_not_fence_each_other(inventory: Inventory) -> None:
    """The newer one reads a topic more, and Kafka gives it all partitions of that; each number has one owner all the same.

    The owner hears of what the other commits beside it, and publishes it.
    """
    definition = define(inventory.settings)
    older = Service(Older(definition.reactions, definition.stores, definition.context), inventory.settings)
    newer = Service(definition, inventory.settings)
    running = [asyncio.create_task(service.run()) for service in (older, newer)]
    try:
        await _owned_by_both([older, newer], 6)
        members, epochs = (older._consumer, newer._consumer), await _epochs(inventory)
        await inventory.receive("tea", IDS)
        await inventory.until_on_hand("tea", 20)
        await inventory.receive("tea", ["more"], 10)
        await inventory.until_on_hand("tea", 30)
        await _start_checkouts(inventory)
        await _until_reserved(inventory, 30)
        assert newer._consumer
        assert newer._consumer.guest_of == older.partitions
        said = await records(inventory.settings, "inventory.events", 21 + 30)
        assert len(said) == 21 + 30
        assert (older._consumer, newer._consumer) == members
        assert await _epochs(inventory) == epochs
    finally:
        for service in (older, newer):
            service.stop()
        await asyncio.gather(*running)


async def test_topics_of_unequal_size_have_members_share_partitions_and_work_goes_on(inventory: Inventory) -> None:
    """Somebody gave the commands more partitions by hand while two members were at work."""
    services = [Service(define(inventory.settings), inventory.settings) for _ in range(2)]
    running = [asyncio.create_task(service.run()) for service in services]
    topic = inventory.settings.topic("inventory.commands")
    try:
        await _owned_by_both(services, 6)
        async with kafka.admin_client(inventory.settings) as admin:
            await admin.create_partitions({topic: NewPartitions(8)})
        async with asyncio.timeout(60):
            while sum(len(service.partitions) for service in services) < 8:
                for service in services:
                    if service._consumer:
                        await service._consumer._consumer._client.force_metadata_update()
                await asyncio.sleep(0.1)
        await _owned_by_both(services, 8)
        members, epochs = [service._consumer for service in services], await _epochs(inventory)
        command = ReceiveStock(sku="tea", quantity=4)
        async with raw_producer(inventory.settings) as producer:
            for partition in range(8):
                headers, value = write(Envelope(f"l{partition}", "/tests", command.type_name(), "tea", "c"), command, NOW)
                await producer.send_and_wait(topic, value, b"tea", headers=headers, partition=partition)
        await inventory.until_on_hand("tea", 32)
        await _start_checkouts(inventory)
        await _until_reserved(inventory, 30)
        assert any(member and member.guest_of for member in members)
        assert len(await records(inventory.settings, "inventory.events", 8 + 30)) == 8 + 30
        assert [service._consumer for service in services] == members
        assert await _epochs(inventory) == epochs
    finally:
        for service in services:
            service.stop()
        await asyncio.gather(*running)
