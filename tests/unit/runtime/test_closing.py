"""A consumer is closed while its fetch waits after a failure: closing it is no cancellation of whoever closes it."""

import asyncio
from types import SimpleNamespace
from typing import Any

from aiokafka.client import AIOKafkaClient
from aiokafka.consumer.subscription_state import SubscriptionState
from aiokafka.errors import NodeNotReadyError

from shared.runtime.kafka.patches.closing import ClosingFetcher


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
