"""Looks at a cluster: asks brokers for groups, offsets and ends, and reads the one record a group is waiting at."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from fnmatch import fnmatchcase
from types import TracebackType
from typing import Any, Final, Self

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from aiokafka.errors import KafkaError

from shared.lag.model import Group, Place, Position, Snapshot
from shared.runtime import kafka
from shared.settings import Settings
from shared.waiting import within

READ_SECONDS: Final = 10.0
"""The longest one question to the brokers may take."""
AGE_SECONDS: Final = 3.0
"""The longest that is waited for the records whose age is asked for."""
SLICE_SECONDS: Final = 0.2
"""How long until it is asked whether there are any."""
FETCH_BYTES: Final = 1_048_576
PARTITION_BYTES: Final = 65_536
"""Bytes of an answer that brings records, and those of one partition in it: one record is enough. A broker sends a larger
one all the same, where it is the first in its answer."""
GROUPS_AT_ONCE: Final = 16
INTERNAL: Final = "__"
"""How the names of Kafka's own topics begin."""

Waiting = tuple[Place, int]
"""A place, and the offset there of the oldest record not yet processed."""


class LagReader:
    """Takes snapshots of the cluster the settings name. Raises ``KafkaError``, ``OSError`` and ``TimeoutError``."""

    def __init__(self, settings: Settings) -> None:
        self._admin = AIOKafkaAdminClient(**settings.kafka_client(), client_id="quadrille-lag")
        sizes = {"fetch_max_bytes": FETCH_BYTES, "max_partition_fetch_bytes": PARTITION_BYTES}
        self._consumer = kafka.consumer(settings, None, "quadrille-lag", **sizes)
        self._slots = asyncio.Semaphore(GROUPS_AT_ONCE)
        self._written: dict[Waiting, float] = {}
        self._empty: dict[Waiting, int] = {}

    async def __aenter__(self) -> Self:
        await kafka.start(self._admin)
        try:
            await kafka.start(self._consumer)
        except BaseException:
            await kafka.stop(self._admin)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await kafka.stop(self._consumer, 2)
        await kafka.stop(self._admin, 2)

    async def snapshot(self, groups: str = "*", topics: str = "*") -> Snapshot:
        """Look once. ``groups`` and ``topics``: patterns of the names to look at, as a shell's (``*`` and ``?``)."""
        places = await self._places(topics)
        found, unread = await self._groups(groups)
        tps = [TopicPartition(*place) for place in sorted(places)]
        self._assign(tps)
        oldest = await within(READ_SECONDS, self._consumer.beginning_offsets(tps))
        ends = await within(READ_SECONDS, self._consumer.end_offsets(tps))
        looked_at = [self._group(*one, ends, oldest) for one in found]
        await self._read_written(_waiting(looked_at), ends)
        now = time.time()
        return Snapshot(
            now,
            {group.name: self._aged(group, now) for group in looked_at if group.positions},
            {(tp.topic, tp.partition): end for tp, end in ends.items()},
            {(tp.topic, tp.partition): first for tp, first in oldest.items()},
            unread,
        )

    async def _places(self, topics: str) -> set[Place]:
        """The partitions that can be asked for: one that is missing or has no leader would be waited for for ever."""
        described = await within(READ_SECONDS, self._admin.describe_topics())
        return {
            (topic["topic"], partition["partition"])
            for topic in described
            if not topic["error_code"] and fnmatchcase(topic["topic"], topics)
            if not topic["topic"].startswith(INTERNAL)
            for partition in topic["partitions"]
            if partition["leader"] >= 0
        }

    def _assign(self, tps: list[Any]) -> None:
        """Have all partitions, at rest: so the client asks for all their leaders at once and not topic by topic."""
        if self._consumer.assignment() != set(tps):
            self._consumer.assign(tps)
            self._consumer.pause(*tps)

    async def _groups(self, pattern: str) -> tuple[list[tuple[str, Any, dict[Any, Any]]], dict[str, str]]:
        listed = await within(READ_SECONDS, self._admin.list_consumer_groups())
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

    def _group(self, name: str, described: Any, committed: dict[Any, Any], ends: Any, oldest: Any) -> Group:
        _, _, state, _, _, members, *_ = described
        known = state != "Dead"  # what is listed and called dead speaks a protocol this client does not
        assigned = {tp for member in members for tp in _assignment(member[4])}
        positions = {
            (tp.topic, tp.partition): Position(
                committed[tp].offset if tp in committed and committed[tp].offset >= 0 else None,
                ends[tp],
                oldest[tp],
                assigned=tp in assigned if known else None,
            )
            for tp in sorted(assigned | committed.keys())
            if tp in ends
        }
        return Group(name, state if known else "unknown", len(members) if known else None, positions)

    def _aged(self, group: Group, now: float) -> Group:
        aged = {}
        for place, position in group.positions.items():
            first = _first_waiting(place, position)
            if position.lag <= 0:
                aged[place] = position
            elif first in self._empty:
                aged[place] = replace(position, marks=position.lag)
            else:
                written = self._written.get(first)
                aged[place] = replace(position, age=None if written is None else max(0.0, now - written))
        return Group(group.name, group.state, group.members, aged)

    async def _read_written(self, waiting: set[Waiting], ends: dict[Any, int]) -> None:
        """When these records were written, in rounds: a consumer has one position in a partition, groups have several.

        There may be none up to the end (see :class:`shared.lag.model.Position`).
        """
        self._written = {key: at for key, at in self._written.items() if key in waiting}
        self._empty = {
            (p, o): end for (p, o), end in self._empty.items() if (p, o) in waiting and end == ends[TopicPartition(*p)]
        }
        left: dict[Place, list[int]] = defaultdict(list)
        for place, offset in sorted(waiting - self._written.keys() - self._empty.keys()):
            left[place].append(offset)
        deadline = time.monotonic() + AGE_SECONDS
        while left and time.monotonic() < deadline:
            await self._read_round({place: offsets.pop() for place, offsets in left.items()}, ends, deadline)
            left = defaultdict(list, {place: offsets for place, offsets in left.items() if offsets})

    async def _read_round(self, offsets: dict[Place, int], ends: dict[Any, int], deadline: float) -> None:
        missing = {TopicPartition(*place): offset for place, offset in offsets.items()}
        for tp, offset in missing.items():
            self._consumer.seek(tp, offset)
        self._consumer.resume(*missing)
        while missing and (seconds := deadline - time.monotonic()) > 0:
            timeout_ms = max(1, int(min(seconds, SLICE_SECONDS) * 1000))
            batch = await self._consumer.getmany(*missing, timeout_ms=timeout_ms, max_records=1)
            for tp, records in batch.items():
                offset = missing.pop(tp)
                if records[0].timestamp >= 0:
                    self._written[(tp.topic, tp.partition), offset] = records[0].timestamp / 1000
                self._consumer.pause(tp)
            if not batch:
                for tp in [tp for tp in missing if await self._is_at(tp, ends[tp], deadline)]:
                    self._empty[(tp.topic, tp.partition), missing.pop(tp)] = ends[tp]
                    self._consumer.pause(tp)
        self._consumer.pause(*missing)

    async def _is_at(self, tp: Any, end: int, deadline: float) -> bool:
        """Whether the consumer has come to the end without a record."""
        try:
            async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
                return bool(await self._consumer.position(tp) >= end)
        except TimeoutError:
            return False


def _waiting(groups: Iterable[Group]) -> set[Waiting]:
    return {_first_waiting(place, p) for group in groups for place, p in group.positions.items() if p.lag > 0}


def _first_waiting(place: Place, position: Position) -> Waiting:
    """Where a group is behind what is still kept, the oldest that is kept."""
    return place, max(position.current or 0, position.oldest)


def _assignment(packed: bytes) -> list[Any]:
    return list(ConsumerProtocolMemberAssignment.decode(packed).partitions()) if packed else []
