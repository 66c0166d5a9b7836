"""Clients whose broker is away: an error of Kafka's, which is waited for, and nothing else."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiokafka.errors import KafkaError

from shared.runtime import kafka
from shared.runtime.kafka.topics import check_topics, create_topics
from shared.settings import Settings, load

AWAY = load({"QUADRILLE_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"})


async def consume(settings: Settings) -> None:
    await kafka.start(kafka.new_consumer(settings, "tests", "tests"))


@pytest.mark.parametrize(
    "reach", [check_topics, create_topics, lambda settings: kafka.new_producer(settings, "tests"), consume]
)
async def test_a_broker_that_is_away_is_no_other_error(reach: Callable[[Settings], Awaitable[Any]]) -> None:
    with pytest.raises(KafkaError):
        await reach(AWAY)


class Ending:
    """A client that ends when it is told, and takes a cancellation that comes before for its own, as aiokafka's do."""

    def __init__(self) -> None:
        self.begun, self.end = asyncio.Event(), asyncio.Event()

    async def stop(self) -> None:
        self.begun.set()
        with contextlib.suppress(asyncio.CancelledError):
            await self.end.wait()


@pytest.mark.parametrize("ended", [True, False])
async def test_whoever_is_cancelled_while_a_client_ends_is_cancelled(ended: bool) -> None:
    client = Ending()

    async def stop_and_go_on() -> None:
        await kafka.stop(client)
        await asyncio.Event().wait()

    task = asyncio.create_task(stop_and_go_on())
    await client.begun.wait()
    if ended:
        client.end.set()
        await asyncio.sleep(0)  # it is done now, and whoever waits for it has not heard of it yet
    task.cancel()
    await asyncio.wait({task}, timeout=1)
    assert task.cancelled()


async def test_a_client_that_does_not_end_is_not_waited_for() -> None:
    client = Ending()
    async with asyncio.timeout(1):
        await kafka.stop(client, seconds=0.01)


async def test_a_cancellation_that_aiokafka_makes_itself_is_not_the_caller_s() -> None:
    class Cancelled:
        async def stop(self) -> None:
            raise asyncio.CancelledError

    await kafka.stop(Cancelled())
