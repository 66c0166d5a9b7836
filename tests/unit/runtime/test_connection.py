"""A request that is written to a connection which has just ended: the connection is lost, on every kind of loop."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import uvloop
from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.metadata import MetadataRequest

from shared.runtime.kafka.patches.connection import Connection


async def ended(kind: Callable[..., Any]) -> Any:
    """A connection whose other side has just gone, and that has not heard of it."""
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    made = kind("127.0.0.1", port, client_id="tests")
    made._reader, made._writer = await asyncio.open_connection("127.0.0.1", port)
    made._read_task = asyncio.create_task(asyncio.sleep(0))
    made._versions = {MetadataRequest.API_KEY: (0, 0)}
    made._writer.transport.abort()
    await made._read_task
    server.close()
    return made


async def write(kind: Callable[..., Any]) -> None:
    made = await ended(kind)
    async with asyncio.timeout(5):
        await made.send(MetadataRequest([]))


def test_to_uvloop_it_is_a_bug_and_to_us_it_is_not() -> None:
    with pytest.raises(RuntimeError, match="closed"):  # as long as this is so, the class is needed
        uvloop.run(write(AIOKafkaConnection))
    with pytest.raises(KafkaConnectionError, match="is closed"):
        uvloop.run(write(Connection))


async def test_it_is_closed_for_those_who_come_after() -> None:
    made = Connection("127.0.0.1", 1, client_id="tests")
    with pytest.raises(KafkaConnectionError):
        await made.send(MetadataRequest([]))
