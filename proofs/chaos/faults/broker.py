"""A broker that dies, and one whose disk is full."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient

from proofs.chaos.faults.kinds import Begin
from proofs.chaos.schedule import Kind
from proofs.chaos.servers import Server
from proofs.chaos.world import World
from shared.contract.services import SERVICES
from shared.contract.topics import events_topic
from shared.runtime import kafka
from shared.settings import Settings

PARTITIONS: Final = Settings.model_fields["partitions"].default
FAMILY: Final = "broker"


def kinds(world: World) -> dict[Kind, Begin]:
    """The kinds of this family."""
    names = tuple(broker.name for broker in world.brokers)
    found: dict[Kind, Begin] = {Kind(FAMILY, "SIGKILL of a broker", names, (3.0, 8.0)): kill}
    if len(names) > 1:
        events = tuple(f"{events_topic(service)}/{partition}" for service in SERVICES for partition in range(PARTITIONS))
        found[Kind(FAMILY, "SIGKILL of a partition's leader", events, (8.0, 16.0))] = kill_leader
    if world.database.disk.real:
        found[Kind(FAMILY, "full disk of a broker", names, (6.0, 10.0))] = full
    return found


def _named(world: World, target: str) -> Server:
    return next(server for server in world.servers if server.name == target)


@contextlib.asynccontextmanager
async def kill(world: World, target: str) -> AsyncIterator[None]:
    """The broker is killed, and started again with the data it has."""
    broker = _named(world, target)
    await broker.stop(signal.SIGKILL)
    try:
        yield
    finally:
        await broker.start()


@contextlib.asynccontextmanager
async def kill_leader(world: World, target: str) -> AsyncIterator[None]:
    """The broker that leads a partition dies; the others must go on with all that was acknowledged."""
    topic, partition = target.split("/")
    async with kill(world, f"broker-{await _leader(world, topic, int(partition))}"):
        yield


async def _leader(world: World, topic: str, partition: int) -> int:
    admin = AIOKafkaAdminClient(**world.settings.kafka_client())
    await kafka.start(admin)
    try:
        (described,) = await admin.describe_topics([world.settings.topic(topic)])
    finally:
        await kafka.stop(admin)
    return next(int(p["leader"]) for p in described["partitions"] if p["partition"] == partition)


@contextlib.asynccontextmanager
async def full(world: World, target: str) -> AsyncIterator[None]:
    """There is no room on the broker's disk. It ends itself at the first write, and is started again with room."""
    async with full_disk(_named(world, target)):
        yield


@contextlib.asynccontextmanager
async def full_disk(server: Server) -> AsyncIterator[None]:
    """A server without room, started again where it ended because of that."""
    await asyncio.to_thread(server.disk.fill)
    try:
        yield
    finally:
        await asyncio.to_thread(server.disk.free)
        if not server.runs:
            await server.stop(signal.SIGKILL)
            await server.start()
