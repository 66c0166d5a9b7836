"""A service goes on after its database was set back, and after its broker lost everything."""

import asyncio
import os
import subprocess
from pathlib import Path

from aiokafka import TopicPartition
from aiokafka.structs import OffsetAndMetadata

from devstack import programs
from services.inventory.__main__ import define
from shared.runtime import kafka
from shared.runtime.kafka.topics import create_topics
from shared.runtime.records import Outgoing
from shared.settings import Settings, load
from tests.integration.runtime.conftest import Inventory
from tests.support import services
from tests.support.snippets import snippets
from tests.support.topics import headers, records

DUMP, RESTORE = next(block.text.splitlines() for block in snippets("sh") if block.heading == "Back up")


def run(command: str, inventory: Inventory, folder: Path) -> None:
    """Run a command of the guide as for inventory."""
    path = os.pathsep.join((str(programs.installed() / programs.BINARIES), os.environ["PATH"]))
    command = command.replace("cart", "inventory").replace("CART", "INVENTORY")
    subprocess.run(["sh", "-c", command], check=True, cwd=folder, env={**os.environ, **inventory.environment, "PATH": path})


async def reset_offsets(settings: Settings) -> None:
    """Have inventory's group read everything again."""
    consumer = kafka.new_consumer(settings, "quadrille.inventory", "tests")
    await consumer.start()
    topics = map(settings.topic, define(settings).topics)
    partitions = [TopicPartition(topic, partition) for topic in topics for partition in range(settings.partitions)]
    consumer.assign(partitions)
    await consumer.commit(dict.fromkeys(partitions, OffsetAndMetadata(0, "")))
    await consumer.stop()


async def work(inventory: Inventory, logs: Path, wanted: int) -> None:
    """Run the service until it has so many units of tea."""
    member = services.start("inventory", "services.inventory", inventory.environment, logs)
    try:
        await asyncio.to_thread(member.wait_until_healthy)
        await inventory.until_on_hand("tea", wanted)
    finally:
        await asyncio.to_thread(member.stop)


async def test_what_happened_since_the_backup_happens_again(inventory: Inventory, tmp_path: Path) -> None:
    await inventory.receive("tea", ["before-1", "before-2"])
    await work(inventory, tmp_path, 2)
    run(DUMP, inventory, tmp_path)
    await inventory.receive("tea", ["after"])
    await work(inventory, tmp_path, 3)
    run(RESTORE, inventory, tmp_path)
    assert await inventory.on_hand("tea") == 2
    await reset_offsets(inventory.settings)
    await work(inventory, tmp_path, 3)
    published = [headers(record)["ce_id"] for record in await records(inventory.settings, "inventory.events", 4)]
    assert (len(published), len(set(published))) == (4, 3)


async def test_a_broker_that_lost_its_data_gets_what_waits_in_the_outbox(inventory: Inventory, tmp_path: Path) -> None:
    await inventory.receive("tea", ["before"])
    await work(inventory, tmp_path, 1)
    await inventory.write(Outgoing(0, "inventory.events", b"k", b"waits", [("ce_id", b"waits")]))
    inventory.environment["QUADRILLE_TOPIC_PREFIX"] += "new."
    inventory.settings = load(inventory.environment)
    await create_topics(inventory.settings)
    await inventory.receive("tea", ["after"])
    await work(inventory, tmp_path, 2)
    published = {record.value for record in await records(inventory.settings, "inventory.events", 2)}
    assert b"waits" in published
