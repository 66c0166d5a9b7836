"""Clients that do not stop by themselves."""

import asyncio

from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from shared.runtime import kafka
from tests.integration.runtime.conftest import Inventory


async def test_a_producer_whose_records_nobody_takes_ends_all_the_same(inventory: Inventory) -> None:
    """It would send them for ever: where it is idempotent, the library never gives a batch up."""
    topic = inventory.settings.topic("too.few.replicas")
    admin = AIOKafkaAdminClient(**inventory.settings.kafka_client())
    await kafka.start(admin)
    await admin.create_topics([NewTopic(topic, 1, 1, topic_configs={"min.insync.replicas": "2"})])
    await kafka.stop(admin)
    producer = await kafka.producer(inventory.settings, "tests")
    waiting = await producer.send(topic, b"v", partition=0)
    await asyncio.sleep(0)
    await kafka.stop(producer, 1.0)
    await asyncio.wait([producer._sender.sender_task], timeout=5)
    assert producer._sender.sender_task.done()
    assert producer.client._sync_task is None
    assert not any(connection.connected() for connection in producer.client._conns.values())
    waiting.cancel()
