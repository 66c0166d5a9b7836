"""Raw access to topics, for what no client of ours would send."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from unittest.mock import patch
from uuid import uuid4

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.producer import message_accumulator
from aiokafka.producer import producer as aiokafka_producer
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy

from shared.contract.envelope import Envelope, write
from shared.contract.message import Message
from shared.contract.topics import EVENT_SOURCES
from shared.runtime import kafka
from shared.runtime.kafka.topic_checks import read_topics
from shared.settings import Settings
from tests.support.clock import NOW


class Name(str):
    """The name of a header that is no text, as a client in C may send it; for aiokafka's code in Python."""

    _bytes: bytes

    def __new__(cls, content: bytes) -> "Name":
        made = super().__new__(cls, repr(content))
        made._bytes = content
        return made

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        return self._bytes


@contextlib.asynccontextmanager
async def transactional_producer(settings: Settings) -> AsyncIterator[Any]:
    """A producer whose records count once their transaction is committed."""
    producer = AIOKafkaProducer(**settings.kafka_client(), transactional_id=uuid4().hex)
    await kafka.start(producer)
    try:
        yield producer
    finally:
        await kafka.stop(producer)


@contextlib.asynccontextmanager
async def raw_producer(settings: Settings) -> AsyncIterator[Any]:
    """A producer that sends anything, also a :class:`Name`."""
    with (
        patch.object(message_accumulator, "DefaultRecordBatchBuilder", _DefaultRecordBatchBuilderPy),
        patch.object(aiokafka_producer, "DefaultRecordBatchBuilder", _DefaultRecordBatchBuilderPy),
    ):
        producer = AIOKafkaProducer(**settings.kafka_client(), max_request_size=64_000_000, compression_type="gzip")
        await producer.start()
        try:
            yield producer
        finally:
            await producer.stop()


async def publish(settings: Settings, *messages: Message, ids: Sequence[str] = (), at: datetime = NOW) -> list[str]:
    """Publish messages as those who write their topics do, each where its key belongs; returns their ids."""
    given = list(ids) or [uuid4().hex for _ in messages]
    async with raw_producer(settings) as producer:
        for message_id, message in zip(given, messages, strict=True):
            source, partition = EVENT_SOURCES.get(message.topic, "/tests"), kafka.partition_of(message.key, settings.partitions)
            headers, value = write(Envelope(message_id, source, message.type_name(), message.key, message_id), message, at)
            topic, key = settings.topic(message.topic), message.key.encode()
            await producer.send(topic, value, key, headers=headers, partition=partition)
        await producer.flush()
    return given


async def alter(settings: Settings, topic: str, **config: str) -> None:
    """Give a topic these settings, the broker's own where nothing is said, and wait until that is so."""
    changed = {name.replace("_", "."): value for name, value in config.items()}
    name = settings.topic(topic)
    async with kafka.admin_client(settings) as admin, asyncio.timeout(20):
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, changed)])
        found: Mapping[str, str] = {}
        while not changed.items() <= found.items():
            found = (await read_topics(admin, [name]))[name].config


async def records(settings: Settings, topic: str, count: int = 1, *, timeout: float = 20) -> list[Any]:
    """All records of a topic, once there are at least ``count``; fails after ``timeout`` seconds."""
    consumer = kafka.new_consumer(settings, None, "tests")
    await kafka.start(consumer)
    found: list[Any] = []
    try:
        partitions = [TopicPartition(settings.topic(topic), p) for p in range(settings.partitions)]
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        waited = 0.0
        while waited < timeout:
            batch = await consumer.getmany(timeout_ms=250)
            found += [record for some in batch.values() for record in some]
            if len(found) >= count and not batch:
                return found
            waited += 0.25 if not batch else 0
        raise AssertionError(f"{topic} has {len(found)} records and not {count}")
    finally:
        await kafka.stop(consumer)


def headers(record: Any) -> dict[str, str]:
    """The headers of a record as text."""
    return {name: value.decode(errors="replace") for name, value in record.headers}
