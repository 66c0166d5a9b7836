"""What a member has in hand when Kafka assigns its lanes anew: nothing of it is passed over, whenever that happens."""

import asyncio

import pytest

from services.inventory.__main__ import define
from shared.contract.envelope import Record
from shared.runtime.member import Member
from shared.runtime.service import Service
from tests.integration.runtime.conftest import Inventory

IDS = [f"id-{number:03d}" for number in range(20)]


async def _arrived(member: Member, count: int) -> list[int]:
    """The offsets of so many records, as they are taken."""
    found: list[int] = []
    while len(found) < count:
        found += [record.offset for record in await _records(member)]
    return found


async def test_a_lane_is_read_from_its_committed_offset_when_it_is_taken(inventory: Inventory) -> None:
    await inventory.receive("tea", IDS)
    lane = inventory.lane_of("tea")
    async with Member("inventory", inventory.settings, ["inventory.commands"], asyncio.Lock()) as member:
        assert await _arrived(member, 20) == list(range(20))
        await member.rewind({(lane + 1) % 6})
        await member.rewind({lane})
        assert await _arrived(member, 20) == list(range(20))
        member.epochs = {lane: 1}
        await member.rewind({lane})
        member.done([record for record in await _records(member) if record.offset < 15])
        await member.commit_offsets()
        await member.rewind({lane})
        assert await _arrived(member, 5) == list(range(15, 20))


async def _records(member: Member) -> list[Record]:
    async with asyncio.timeout(20):
        while not (records := member.take()):
            await member.ready.wait()
            member.ready.clear()
    return records


async def test_what_arrives_while_lanes_are_assigned_anew_is_handled(
    inventory: Inventory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rebalance begins and ends while the service waits for something to do, and records come before it has looked."""
    service = Service(define(inventory.settings), inventory.settings)
    owned, waits, go_on = asyncio.Event(), asyncio.Event(), asyncio.Event()
    service.on_lanes = lambda lanes: owned.set()

    async def room() -> None:
        if owned.is_set():
            waits.set()
            await go_on.wait()

    monkeypatch.setattr(service.relay, "room", room)
    running = asyncio.create_task(service.run())
    try:
        async with asyncio.timeout(30):
            await waits.wait()
            member = service._member
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
