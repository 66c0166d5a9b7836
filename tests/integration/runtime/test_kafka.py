"""What our clients write, what topics they accept, and that they stop."""

import asyncio
import contextlib
import json
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.consumer import fetcher
from rich.console import Console

from cli.topics import run_check
from services.alerts.watchdog.topics import TopicMonitor
from services.inventory.__main__ import define
from shared.client import CheckoutClient
from shared.contract.inventory import ReceiveStock
from shared.contract.topics import TOPICS
from shared.runtime import kafka
from shared.runtime.kafka.patches.batches import Batches
from shared.runtime.kafka.topic_checks import wanted_config
from shared.runtime.records import Outgoing
from shared.runtime.relay import Relay
from shared.runtime.service import Service
from tests.integration.runtime.conftest import Inventory
from tests.support.reported import Reported
from tests.support.topics import alter, records


async def test_a_producer_whose_records_nobody_takes_ends_all_the_same(inventory: Inventory) -> None:
    """It would send them for ever: where it is idempotent, the library never gives a batch up."""
    topic = inventory.settings.topic("too.few.replicas")
    admin = AIOKafkaAdminClient(**inventory.settings.kafka_client())
    await kafka.start(admin)
    await admin.create_topics([NewTopic(topic, 1, 1, topic_configs={"min.insync.replicas": "2"})])
    await kafka.stop(admin)
    producer = await kafka.new_producer(inventory.settings, "tests")
    waiting = await producer.send(topic, b"v", partition=0)
    await asyncio.sleep(0)
    await kafka.stop(producer, 1.0)
    await asyncio.wait([producer._sender.sender_task], timeout=5)
    assert producer._sender.sender_task.done()
    assert producer.client._sync_task is None
    assert not any(connection.connected() for connection in producer.client._conns.values())
    waiting.cancel()


@pytest.mark.parametrize(("codec", "number"), [(None, 0), ("gzip", 1)])
async def test_what_we_write_is_compressed_only_as_the_settings_say(
    inventory: Inventory, monkeypatch: pytest.MonkeyPatch, codec: str | None, number: int
) -> None:
    """Commands, events and dead letters alike: kafkajs, for one, reads gzip and no other codec without a plug-in."""
    settings = inventory.settings.model_copy(update={"kafka_compression": codec} if codec else {})
    found: set[int] = set()

    class Noted(Batches):
        def next_batch(self, *defaults: int) -> Any:
            batch = super().next_batch(*defaults)
            if batch is not None:
                found.add(batch.attributes & 0x07)
            return batch

    topics = ["inventory.events", "checkout.dlq", "order.redrive"]
    rows = await inventory.write(*(Outgoing(0, topic, b"k", bytes(1_000), []) for topic in topics))
    relay = Relay("inventory", settings, inventory.database, lambda: {0})
    running = asyncio.create_task(relay.run())
    relay.publish(rows)
    async with asyncio.timeout(20), CheckoutClient(settings) as client:
        await relay.drained()
        await client.send(ReceiveStock(sku="tea", quantity=1))
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    monkeypatch.setattr(fetcher, "MemoryRecords", Noted)
    for topic in (*topics, "inventory.commands"):
        await records(settings, topic)
    assert found == {number}


async def test_a_service_refuses_topics_that_may_lose_messages_and_the_command_says_all(
    inventory: Inventory, capsys: pytest.CaptureFixture[str]
) -> None:
    console = Console(width=400)
    assert await run_check(inventory.settings, console, as_json=False)
    name = inventory.settings.topic("inventory.commands")
    config = {"cleanup_policy": "compact", "message_timestamp_type": "CreateTime", "max_message_bytes": "100000"}
    await alter(inventory.settings, "inventory.commands", **config)
    with pytest.raises(kafka.TopicsError) as refusal:
        await Service(define(inventory.settings), inventory.settings).run()
    said = str(refusal.value)
    assert "\n" not in said
    assert f"{name} is compacted: only the last message of each key is kept" in said
    assert "message.timestamp.type is CreateTime, not LogAppendTime" in said
    assert "max.message.bytes" not in said
    told: Any = Reported()
    watching = TopicMonitor(inventory.settings, told)
    await watching.look(1_000.0, 0.0)
    (failure,) = told.open
    assert (failure.kind, failure.severity) == ("topic_altered", "critical")
    assert name in failure.title
    assert "is compacted" in failure.text
    capsys.readouterr()
    assert not await run_check(inventory.settings, console, as_json=True)
    shown = json.loads(capsys.readouterr().out)
    assert not shown["services_start"]
    assert {(one["topic"], one["setting"]): one["refused"] for one in shown["differences"]} == {
        (name, "cleanup.policy"): True,
        (name, "message.timestamp.type"): True,
        (name, "max.message.bytes"): False,
        (name, "retention.ms"): False,
    }
    await alter(inventory.settings, "inventory.commands", **wanted_config(TOPICS["inventory.commands"], inventory.settings))
    await watching.look(1_060.0, 60.0)
    assert told.closed == [failure.alert_id]
