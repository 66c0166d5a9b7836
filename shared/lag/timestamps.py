"""Finds when the oldest unprocessed records were written. Each record is read once."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final

from aiokafka import TopicPartition

from shared.lag.model import Place

AGE_SECONDS: Final = 3.0
"""The longest one lookup may take."""
SLICE_SECONDS: Final = 0.2
"""How long to wait for records before asking whether there are any."""

Unprocessed = tuple[Place, int]
"""A partition, and the offset of the oldest unprocessed record."""


class RecordTimestamps:
    """Looks up records with one consumer, which has every partition assigned and paused."""

    def __init__(self, consumer: Any) -> None:
        self._consumer = consumer
        self._written: dict[Unprocessed, float] = {}
        self._empty: dict[Unprocessed, int] = {}

    def at(self, first: Unprocessed) -> float | None:
        """When the record was written, in seconds since 1970; None if unknown."""
        return self._written.get(first)

    def is_empty(self, first: Unprocessed) -> bool:
        """Whether there is no record from this offset up to the given end."""
        return first in self._empty

    def assign_all(self, tps: list[Any]) -> None:
        """Assign and pause all partitions, so that the client asks for all leaders at once and not topic by topic."""
        if self._consumer.assignment() != set(tps):
            self._consumer.assign(tps)
            self._consumer.pause(*tps)

    async def look_up(self, wanted: set[Unprocessed], ends: Mapping[Any, int]) -> None:
        """Look up these records in rounds: a consumer has one position per partition, groups have several.

        There may be no record up to the end (see :class:`shared.lag.model.Position`).
        """
        self._written = {key: at for key, at in self._written.items() if key in wanted}
        self._empty = {
            (p, o): end for (p, o), end in self._empty.items() if (p, o) in wanted and end == ends[TopicPartition(*p)]
        }
        left: dict[Place, list[int]] = defaultdict(list)
        for place, offset in sorted(wanted - self._written.keys() - self._empty.keys()):
            left[place].append(offset)
        deadline = time.monotonic() + AGE_SECONDS
        while left and time.monotonic() < deadline:
            await self._read_round({place: offsets.pop() for place, offsets in left.items()}, ends, deadline)
            left = defaultdict(list, {place: offsets for place, offsets in left.items() if offsets})

    async def _read_round(self, offsets: dict[Place, int], ends: Mapping[Any, int], deadline: float) -> None:
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
        """Whether the consumer has reached the end without a record."""
        try:
            async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
                return bool(await self._consumer.position(tp) >= end)
        except TimeoutError:
            return False
