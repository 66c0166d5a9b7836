"""A member whose consumer fails says so as what it is: a consumer to be replaced, and no database to be waited for."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from shared.runtime.kafka import consumer as consumer_module
from shared.runtime.kafka.consumer import PartitionConsumer, StalledError
from shared.settings import load


class Failing:
    """A consumer of the library that fails in a way of its own."""

    _fetcher = SimpleNamespace(_records={})

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def getmany(self, *_: Any, **__: Any) -> Any:
        raise self._error

    def assignment(self) -> set[TopicPartition]:
        return {TopicPartition("cart.events", 0)}


class Lost:
    """A consumer of the library that lost its group in the middle of a look: it knows no position, and will know none."""

    _fetcher = SimpleNamespace(_records={})

    def __init__(self) -> None:
        self._place = TopicPartition("cart.events", 0)
        self._known = [3]

    async def getmany(self, *_: Any, **__: Any) -> Any:
        return {}

    def assignment(self) -> set[TopicPartition]:
        return {self._place}

    async def end_offsets(self, _: Any) -> dict[TopicPartition, int]:
        return {self._place: 5}

    async def position(self, _: TopicPartition) -> int:
        if not self._known:
            await asyncio.Event().wait()
        return self._known.pop()


async def member_with(consumer: Any) -> PartitionConsumer:
    settings = load({"QUADRILLE_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"})
    member = PartitionConsumer("tests", settings, ["cart.events"], asyncio.Lock())
    await member._consumer.stop()
    member._consumer = consumer
    return member


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (TimeoutError(), StalledError),
        (ConnectionResetError(), StalledError),
        (KafkaError("gone"), KafkaError),
        (ValueError("a bug"), ValueError),
    ],
)
async def test_what_a_consumer_died_of_is_never_taken_for_the_database_s_fault(error: Exception, told: type[Exception]) -> None:
    member = await member_with(Failing(error))
    await member._fetch()
    assert member.ready.is_set()
    with pytest.raises(told) as raised:
        member.drain()
    assert not isinstance(raised.value, OSError | TimeoutError)


async def test_a_consumer_that_will_never_know_its_position_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    member = await member_with(Lost())
    await member.on_partitions_assigned(set())
    monkeypatch.setattr(consumer_module, "WATCH_SECONDS", 0.05)
    member._last_arrival -= 1
    async with asyncio.timeout(10):
        await member._fetch()
    with pytest.raises(StalledError):
        member.drain()


class Deaf:
    """A consumer of the library that reads, and whose commits nobody answers until ``heard``."""

    heard = False

    async def commit(self, offsets: dict[TopicPartition, int]) -> None:
        if not self.heard:
            raise TimeoutError
        self.committed = offsets


async def test_a_consumer_that_cannot_commit_for_long_is_replaced() -> None:
    consumer, place = Deaf(), TopicPartition("cart.events", 0)
    member = await member_with(consumer)
    member.epochs = {0: 1}

    async def commit(*, heard: bool, seconds_later: float = 0) -> None:
        consumer.heard, member._positions = heard, {place: 1}
        if member._failing_since:
            member._failing_since -= seconds_later
        await member.commit_offsets()

    await commit(heard=False)
    await commit(heard=True, seconds_later=20)
    await commit(heard=False, seconds_later=20)
    await commit(heard=False, seconds_later=20)
    assert member.drain() == []
    await commit(heard=False, seconds_later=20)
    with pytest.raises(StalledError):
        member.drain()


async def test_offsets_that_could_not_be_committed_are_committed_with_the_next() -> None:
    consumer, places = Deaf(), [TopicPartition("cart.events", partition) for partition in range(2)]
    member = await member_with(consumer)
    member.epochs = {0: 1, 1: 1}
    member._positions = {places[0]: 7, places[1]: 3}
    await member.commit_offsets()
    member._positions[places[1]] = 4
    consumer.heard = True
    await member.commit_offsets()
    assert consumer.committed == {places[0]: 7, places[1]: 4}
    assert member._positions == {}
