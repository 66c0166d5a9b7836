"""What we change of aiokafka's clients: a connection that ended, a poll that raised, and a fetch that waits are over."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import uvloop
from aiokafka.client import AIOKafkaClient
from aiokafka.conn import AIOKafkaConnection
from aiokafka.consumer.subscription_state import SubscriptionState
from aiokafka.errors import KafkaConnectionError, NodeNotReadyError
from aiokafka.protocol.metadata import MetadataRequest

from shared.runtime.kafka.patches.closing import ClosingFetcher
from shared.runtime.kafka.patches.connection import Connection
from shared.runtime.kafka.patches.fetching import Subscriptions


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


def poll(subscriptions: Subscriptions) -> None:
    """A poll that raises."""
    with subscriptions.fetch_context():
        assert subscriptions.fetcher_idle_time == 0
        raise ValueError("out of range")


async def test_a_poll_that_raised_is_over() -> None:
    subscriptions = Subscriptions()
    subscriptions._last_fetch_ended -= 100
    assert subscriptions.fetcher_idle_time >= 100
    with pytest.raises(ValueError, match="out of range"):
        poll(subscriptions)
    assert 0 < subscriptions.fetcher_idle_time < 100


class Gone(AIOKafkaClient):
    """The client of a broker that died. ``asked``: set once it has failed."""

    def __init__(self) -> None:
        super().__init__(bootstrap_servers="127.0.0.1:1")
        self.asked = asyncio.Event()

    async def send(self, *_: Any) -> None:
        self.asked.set()
        raise NodeNotReadyError


async def test_closing_ends_a_fetch_that_waits_to_be_tried_again() -> None:
    gone = Gone()
    fetcher = ClosingFetcher(gone, SubscriptionState(), retry_backoff_ms=60_000)
    fetch = asyncio.create_task(fetcher._proc_fetch_request(None, 1, SimpleNamespace(topics=())))
    await gone.asked.wait()
    fetcher._pending_tasks.add(fetch)
    await fetcher.close()
    assert fetch.done()
    assert fetcher._fetch_task.done()
