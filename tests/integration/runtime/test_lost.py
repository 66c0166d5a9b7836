"""Records that are deleted before they are read: whoever goes on behind them says so first."""

import asyncio

from aiokafka import TopicPartition
from aiokafka.admin.records_to_delete import RecordsToDelete

from services.alerts.arrivals import Arrival, fault_of
from services.inventory.__main__ import define
from shared.runtime import kafka
from shared.runtime.kafka.consumer import PartitionConsumer
from shared.runtime.kafka.lost import LostRecords
from shared.runtime.service import Service
from tests.integration.runtime.conftest import Inventory
from tests.support.topics import records

IDS = [f"id-{number:03d}" for number in range(20)]
COMMANDS = "inventory.commands"


async def delete_before(inventory: Inventory, offset: int) -> TopicPartition:
    """Tea's commands before this offset are deleted, as by retention; returns where."""
    place = TopicPartition(inventory.settings.topic(COMMANDS), inventory.partition_of("tea"))
    async with kafka.admin_client(inventory.settings) as admin:
        await admin.delete_records({place: RecordsToDelete(offset)})
    return place


async def _lost(member: PartitionConsumer, count: int = 1) -> list[LostRecords]:
    async with asyncio.timeout(20):
        while len(member.lost) < count:
            member.ready.clear()
            await member.ready.wait()
    return member.lost


async def _handled(inventory: Inventory, ids: list[str], on_hand: int) -> None:
    """A service handles these, and stops."""
    service = Service(define(inventory.settings), inventory.settings)
    running = asyncio.create_task(service.run())
    try:
        await inventory.receive("tea", ids)
        await inventory.until_on_hand("tea", on_hand)
    finally:
        service.stop()
        await running


async def test_a_service_that_was_down_for_too_long_says_what_it_never_read(inventory: Inventory) -> None:
    await _handled(inventory, ["a", "b", "c"], on_hand=3)
    await inventory.receive("tea", IDS)
    place = await delete_before(inventory, 13)
    await _handled(inventory, ["d"], on_hand=3 + 10 + 1)
    (read,) = await records(inventory.settings, "checkout.dlq")
    fault = fault_of(Arrival(read.partition, read.offset, 0, read.key, read.value, read.headers))
    assert (fault.kind, fault.service, fault.position) == ("lost", "inventory", 3)
    assert f"inventory never read the offsets 3 to 12 of {place.topic}/{place.partition}" in fault.reason
    await _handled(inventory, ["e"], on_hand=3 + 10 + 2)
    assert len(await records(inventory.settings, "checkout.dlq")) == 1, "it is told once"


async def test_what_is_deleted_while_a_member_is_behind_is_noticed_and_what_it_owns_goes_on(inventory: Inventory) -> None:
    await inventory.receive("tea", IDS)
    async with PartitionConsumer("inventory", inventory.settings, [COMMANDS], asyncio.Lock()) as member:
        member.epochs = dict.fromkeys(await member.partitions(), 1)
        await member.seek_to_committed(await member.partitions())
        assert member.lost == []
        place = await delete_before(inventory, 10)
        member._consumer.seek(place, 4)
        assert await _lost(member) == [LostRecords(member._group, place.topic, place.partition, 4, 10)]
        member.mark_reported(list(member.lost))
        await member.commit_offsets()
        assert await member._consumer.committed(place) == 10


async def test_what_a_poll_finds_deleted_while_its_partition_is_taken_is_noted_once(inventory: Inventory) -> None:
    await inventory.receive("tea", IDS)
    place = await delete_before(inventory, 0)
    async with PartitionConsumer("inventory", inventory.settings, [COMMANDS], asyncio.Lock()) as member:
        member.epochs = dict.fromkeys(await member.partitions(), 1)
        member._positions[place] = 3
        await member.commit_offsets()
    await delete_before(inventory, 10)
    async with PartitionConsumer("inventory", inventory.settings, [COMMANDS], asyncio.Lock()) as member:
        partitions = await member.partitions()
        await member.seek_to_committed(partitions)
        member.epochs = dict.fromkeys(partitions, 2)
        await member._start_over(place, 3)  # the broker had refused that offset before
        assert member.lost == [LostRecords(member._group, place.topic, place.partition, 3, 10)]


async def test_a_topic_that_was_made_anew_is_noticed_by_an_offset_beyond_its_end(inventory: Inventory) -> None:
    await inventory.receive("tea", ["a", "b"])
    place = await delete_before(inventory, 0)
    async with PartitionConsumer("inventory", inventory.settings, [COMMANDS], asyncio.Lock()) as member:
        member.epochs = dict.fromkeys(await member.partitions(), 1)
        member._positions[place] = 450
        await member.commit_offsets()
    async with PartitionConsumer("inventory", inventory.settings, [COMMANDS], asyncio.Lock()) as member:
        member.epochs = dict.fromkeys(await member.partitions(), 2)
        await member.seek_to_committed(await member.partitions())
        (lost,) = await _lost(member)
        assert (lost.first, lost.until) == (450, 0)
        assert "made anew" in lost.sentence
        found: list[int] = []
        async with asyncio.timeout(20):
            while len(found) < 2:
                await member.ready.wait()
                member.ready.clear()
                found += [record.offset for record in member.drain()]
        assert found == [0, 1]


async def test_offsets_that_the_broker_forgot_are_noticed_where_the_partition_was_read_before(inventory: Inventory) -> None:
    """As it does a week after the last member left. A group that is new has lost nothing."""
    await inventory.receive("tea", IDS)
    place = await delete_before(inventory, 5)
    async with PartitionConsumer("inventory", inventory.settings, [COMMANDS], asyncio.Lock()) as member:
        partitions = await member.partitions()
        await member.seek_to_committed(partitions)
        assert member.lost == []
        await member.seek_to_committed(partitions, known=partitions)
        assert member.lost == [LostRecords(member._group, place.topic, place.partition, None, 5)]
