"""Takes snapshots of a cluster: asks brokers for groups and offsets, and reads the oldest unprocessed record of each group.

The end of a partition is the offset that Kafka writes next, even where an open transaction keeps consumers from reading it.
"""

import asyncio
import contextlib
import time
from dataclasses import replace
from fnmatch import fnmatchcase
from types import TracebackType
from typing import Any, Final, Self

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from aiokafka.errors import KafkaError

from shared.lag.model import Group, HeldBack, Place, Position, Snapshot
from shared.lag.timestamps import RecordTimestamps, Unprocessed
from shared.lag.transactions import find_transactions
from shared.runtime import kafka
from shared.settings import Settings
from shared.timeouts import run_with_timeout

READ_SECONDS: Final = 10.0
"""The longest one request to the brokers may take."""
FETCH_BYTES: Final = 1_048_576
PARTITION_BYTES: Final = 65_536
"""Bytes of a fetch response, and of one partition in it: one record is enough. A broker sends a larger record all the same if
it is the first in the response."""
MAX_CONCURRENCY: Final = 16
INTERNAL: Final = "__"
"""The prefix of Kafka's own topics."""


class LagReader:
    """Takes snapshots of the cluster the settings name. Raises ``KafkaError``, ``OSError`` and ``TimeoutError``."""

    def __init__(self, settings: Settings) -> None:
        self._admin = AIOKafkaAdminClient(**settings.kafka_client(), client_id="quadrille-lag")
        sizes = {"fetch_max_bytes": FETCH_BYTES, "max_partition_fetch_bytes": PARTITION_BYTES}
        self._consumer = kafka.new_consumer(settings, None, "quadrille-lag", **sizes)
        self._any_consumer = kafka.new_consumer(settings, None, "quadrille-lag", isolation_level="read_uncommitted", **sizes)
        self._committed, self._beyond = RecordTimestamps(self._consumer), RecordTimestamps(self._any_consumer)
        self._slots = asyncio.Semaphore(MAX_CONCURRENCY)

    async def __aenter__(self) -> Self:
        async with contextlib.AsyncExitStack() as started:
            for client in (self._admin, self._consumer, self._any_consumer):
                await kafka.start(client)
                started.push_async_callback(kafka.stop, client, 2)
            self._started = started.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._started.aclose()

    async def snapshot(self, groups: str = "*", topics: str = "*") -> Snapshot:
        """Take a snapshot. ``groups`` and ``topics``: shell patterns of names (``*`` and ``?``)."""
        places = await self._places(topics)
        found, unread = await self._groups(groups)
        tps = [TopicPartition(*place) for place in sorted(places)]
        self._committed.assign_all(tps)
        self._beyond.assign_all(tps)
        oldest = await run_with_timeout(READ_SECONDS, self._consumer.beginning_offsets(tps))
        ends = await run_with_timeout(READ_SECONDS, self._any_consumer.end_offsets(tps))
        stable = await run_with_timeout(
            READ_SECONDS, self._consumer.end_offsets(tps)
        )  # after the ends: records written in between are not open
        ends = {tp: max(end, stable[tp]) for tp, end in ends.items()}
        held_back = await self._held_back(ends, stable)
        looked_at = [self._group(*one, ends, stable, oldest) for one in found]
        waiting = {_first_unprocessed(place, p) for group in looked_at for place, p in group.positions.items() if p.lag > 0}
        await self._committed.look_up({w for w in waiting if w[1] < stable[TopicPartition(*w[0])]}, stable)
        open_ = {
            self._open_from(place, p) for group in looked_at for place, p in group.positions.items() if p.stable is not None
        }
        await self._beyond.look_up({w for w in open_ if w[1] >= stable[TopicPartition(*w[0])]}, ends)
        now = time.time()
        return Snapshot(
            now,
            {group.name: self._aged(group, now) for group in looked_at if group.positions},
            {(tp.topic, tp.partition): end for tp, end in ends.items()},
            {(tp.topic, tp.partition): first for tp, first in oldest.items()},
            unread,
            held_back,
        )

    async def _held_back(self, ends: dict[Any, int], stable: dict[Any, int]) -> dict[Place, HeldBack]:
        offsets = {(tp.topic, tp.partition): offset for tp, offset in stable.items() if offset < ends[tp]}
        if not offsets:
            return {}
        found = await find_transactions(self._admin, offsets)
        return {
            place: HeldBack(offset, ends[TopicPartition(*place)] - offset, found.get(place))
            for place, offset in offsets.items()
        }

    async def _places(self, topics: str) -> set[Place]:
        """The partitions with a leader: a request for another one would wait forever."""
        described = await run_with_timeout(READ_SECONDS, self._admin.describe_topics())
        return {
            (topic["topic"], partition["partition"])
            for topic in described
            if not topic["error_code"] and fnmatchcase(topic["topic"], topics)
            if not topic["topic"].startswith(INTERNAL)
            for partition in topic["partitions"]
            if partition["leader"] >= 0
        }

    async def _groups(self, pattern: str) -> tuple[list[tuple[str, Any, dict[Any, Any]]], dict[str, str]]:
        listed = await run_with_timeout(READ_SECONDS, self._admin.list_consumer_groups())
        names = sorted(name for name, kind in listed if kind in ("consumer", "") and fnmatchcase(name, pattern))
        answers = await asyncio.gather(*(self._ask(name) for name in names), return_exceptions=True)
        found, unread = [], {}
        for name, answer in zip(names, answers, strict=True):
            if isinstance(answer, KafkaError | TimeoutError):
                unread[name] = repr(answer)
            elif isinstance(answer, BaseException):
                raise answer
            else:
                found.append((name, *answer))
        return found, unread

    async def _ask(self, group: str) -> tuple[Any, dict[Any, Any]]:
        async with self._slots, asyncio.timeout(READ_SECONDS):
            node = await self._admin.find_coordinator(group)
            committed = await self._admin.list_consumer_group_offsets(group, node)
            (answer,) = await self._admin.describe_consumer_groups([group], node)
        return answer.groups[0], committed

    def _group(self, name: str, described: Any, committed: dict[Any, Any], ends: Any, stable: Any, oldest: Any) -> Group:
        _, _, state, _, _, members, *_ = described
        known = state != "Dead"  # a listed group that is "Dead" uses a protocol this client does not support
        assigned = {tp for member in members for tp in _assignment(member[4])}
        positions = {
            (tp.topic, tp.partition): Position(
                committed[tp].offset if tp in committed and committed[tp].offset >= 0 else None,
                ends[tp],
                oldest[tp],
                assigned=tp in assigned if known else None,
                stable=stable[tp] if stable[tp] < ends[tp] else None,
            )
            for tp in sorted(assigned | committed.keys())
            if tp in ends
        }
        return Group(name, state if known else "unknown", len(members) if known else None, positions)

    def _open_from(self, place: Place, position: Position) -> Unprocessed:
        """The first unprocessed offset, or the start of the open transaction if there is no record before it."""
        first = _first_unprocessed(place, position)
        return (place, position.stable) if position.stable is not None and self._committed.is_empty(first) else first

    def _aged(self, group: Group, now: float) -> Group:
        return Group(group.name, group.state, group.members, {p: self._with_age(p, i, now) for p, i in group.positions.items()})

    def _with_age(self, place: Place, position: Position, now: float) -> Position:
        if position.lag <= 0:
            return position
        first = _first_unprocessed(place, position)
        seen = self._committed
        if seen.is_empty(first):
            until = position.end if position.stable is None else position.stable
            position = replace(position, marks=until - first[1])
        if position.stable is not None and position.lag > 0 and (seen.is_empty(first) or first[1] >= position.stable):
            seen, first = self._beyond, self._open_from(place, position)
            if seen.is_empty(first):
                position = replace(position, marks=position.marks + position.lag)
        if position.lag <= 0:
            return position
        written = seen.at(first)
        return replace(position, age=None if written is None else max(0.0, now - written))


def _first_unprocessed(place: Place, position: Position) -> Unprocessed:
    """The first unprocessed offset, or the oldest retained one if that is later."""
    return place, max(position.current or 0, position.oldest)


def _assignment(packed: bytes) -> list[Any]:
    return list(ConsumerProtocolMemberAssignment.decode(packed).partitions()) if packed else []
