"""The relay: from the outbox to Kafka, in the order of the commits, each row until the broker has it (step 10).

Rows come straight from memory after their commit; the table is what remains after a crash, a hand-over or an outage.
One group of rows is under way at a time, and the next is sent when all of it is acknowledged: a row that must be sent
again is never overtaken.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from aiokafka.errors import KafkaError, MessageSizeTooLargeError
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.runtime import kafka, outbox
from shared.runtime.outbox import OutboxRow
from shared.runtime.records import IN_HAND_BYTES, ids, size
from shared.settings import Settings
from shared.telemetry import metrics
from shared.telemetry.logs import about
from shared.waiting import happens

log = logging.getLogger(__name__)
GROUP: Final = 2_000
"""Rows sent at once; fewer where they are large."""
FULL: Final = 10_000
FULL_BYTES: Final = 4 * IN_HAND_BYTES
"""Rows waiting at which a service stops committing more, and their bytes."""
ACK_SECONDS: Final = 15
FORGET_SECONDS: Final = 0.25
"""How long acknowledgements are gathered for one statement that deletes their rows."""
BACKOFF_SECONDS: Final = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class Relay:
    """Publishes for one service. ``lanes`` says which lanes are owned now.

    ``trouble``: why nothing is published now, or nothing where it is.
    """

    def __init__(self, service: str, settings: Settings, engine: AsyncEngine, lanes: Callable[[], set[int]]) -> None:
        self._service, self._settings, self._engine, self._lanes = service, settings, engine, lanes
        self._waiting: deque[OutboxRow] = deque()
        self._bytes = 0
        self._known: set[int] = set()
        self._acked: list[int] = []
        self._more, self._done, self._room = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._room.set()
        self._producer: Any = None
        self.trouble: str | None = None
        self._published = metrics.published.labels(service)

    def publish(self, rows: Sequence[OutboxRow]) -> None:
        """Send the rows of a commit. Rows of lanes another member owns are left to it."""
        lanes = self._lanes()
        self._queue([row for row in rows if row.record.lane in lanes and row.id not in self._known])

    def _queue(self, rows: Sequence[OutboxRow]) -> None:
        if rows:
            self._known.update(row.id for row in rows)
            self._waiting.extend(rows)
            self._bytes += sum(size(row.record) for row in rows)
            self._idle.clear()
            self._more.set()
            if self._is_full:
                self._room.clear()

    @property
    def _is_full(self) -> bool:
        return len(self._waiting) >= FULL or self._bytes >= FULL_BYTES

    async def room(self, seconds: float) -> bool:
        """Wait, so long at most, until more may be committed, or nothing more will be; returns whether it is so."""
        return await happens(self._room, seconds)

    def end(self) -> None:
        """Nothing more will be committed: nobody need wait for it."""
        self._room.set()

    async def flushed(self) -> None:
        """Wait until all that was handed in is acknowledged."""
        await self._idle.wait()

    async def sweep(self, lanes: set[int]) -> None:
        """Publish what is committed for these lanes and was never handed in: left by a crash or by another member.

        To be called between commits only, so that what a commit hands in cannot be found here before; and of a new lane
        before its first commit, so that nothing overtakes what was left.
        """
        while True:
            async with self._engine.begin() as connection:
                rows, more = await outbox.sweep(connection, lanes, self._known, GROUP, IN_HAND_BYTES)
            self._queue(rows)
            if not more:
                return
            await self.flushed()

    async def run(self) -> None:
        """Send and forget rows until cancelled."""
        deleter = asyncio.create_task(self._delete_acked())
        try:
            while True:
                await self._more.wait()
                group = self._next_group()
                if not self._waiting:
                    self._more.clear()
                if not self._is_full:
                    self._room.set()
                await self._send_all(group)
                self._acked.extend(row.id for row in group)
                self._done.set()
                if not self._waiting:
                    self._idle.set()
        finally:
            deleter.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await deleter
            await self._forget()
            await self._close()

    def _next_group(self) -> list[OutboxRow]:
        group: list[OutboxRow] = []
        taken = 0
        while self._waiting and len(group) < GROUP and taken < IN_HAND_BYTES:
            row = self._waiting.popleft()
            group.append(row)
            taken += size(row.record)
        self._bytes -= taken
        return group

    async def _send_all(self, group: list[OutboxRow]) -> None:
        """Send a group until every row of it is acknowledged; one that cannot be sent is set aside and leaves the group."""
        attempt = 0
        while True:
            try:
                await self._send_what_fits(group)
                self.trouble = None
                return
            except (KafkaError, SQLAlchemyError, OSError, TimeoutError) as error:
                wait = BACKOFF_SECONDS[min(attempt, len(BACKOFF_SECONDS) - 1)]
                attempt += 1
                self.trouble = f"nothing can be published: {error!r}"
                log.warning("%s cannot publish (%r); a new producer in %.1f s", self._service, error, wait)
                metrics.relay_failures.labels(self._service).inc()
                await self._close()
                await asyncio.sleep(wait)

    async def _send_what_fits(self, group: list[OutboxRow]) -> None:
        try:
            await self._send(group)
        except MessageSizeTooLargeError:
            await self._close()  # what the broker refuses ends an idempotent producer's sequence
            for row in list(group):
                try:
                    await self._send([row])
                except MessageSizeTooLargeError as error:
                    await self._close()
                    await self._set_aside(row, error)
                    group.remove(row)

    async def _send(self, rows: Sequence[OutboxRow]) -> None:
        """Send rows, those of one topic and lane in their order. Raises ``MessageSizeTooLargeError`` where any is."""
        if self._producer is None:
            self._producer = await kafka.producer(self._settings, f"{self._service}-relay")
        async with asyncio.timeout(ACK_SECONDS):
            acks = [await self._producer.send_batch(batch, topic, partition=lane) for topic, lane, batch in self._batches(rows)]
            await asyncio.gather(*acks)
        self._published.inc(len(rows))

    def _batches(self, rows: Sequence[OutboxRow]) -> Iterator[tuple[str, int, Any]]:
        """The rows as producer batches. A batch of our own costs a fifth of handing the producer record by record."""
        open_: dict[tuple[str, int], Any] = {}
        for row in rows:
            record = row.record
            if len(record.value or b"") > kafka.MAX_REQUEST_BYTES:
                raise MessageSizeTooLargeError
            place = (self._settings.topic(record.topic), record.lane)
            content = {"timestamp": None, "key": record.key, "value": record.value, "headers": list(record.headers)}
            if place in open_ and open_[place].append(**content) is not None:
                continue
            if place in open_:  # it is full
                yield *place, open_[place]
            open_[place] = self._producer.create_batch()
            open_[place].append(**content)
        for place, batch in open_.items():
            yield *place, batch

    async def _set_aside(self, row: OutboxRow, error: Exception) -> None:
        what = about(ids(row.record))
        log.error("%s: outbox row %d cannot be sent and is set aside: %s", self._service, row.id, error, extra=what)
        async with self._engine.begin() as connection:
            await outbox.set_aside(connection, row.id, str(error))
        self._known.discard(row.id)

    async def _delete_acked(self) -> None:
        while True:
            await self._done.wait()
            await asyncio.sleep(FORGET_SECONDS)
            self._done.clear()
            await self._forget()

    async def _forget(self) -> None:
        ids = list(self._acked)  # they stay there until they are deleted, should we be stopped meanwhile
        if not ids:
            return
        try:
            async with self._engine.begin() as connection:
                await outbox.delete(connection, ids)
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            log.warning("%s: %d sent rows stay in the outbox for now: %r", self._service, len(ids), error)
            self._done.set()
        else:
            del self._acked[: len(ids)]
            self._known.difference_update(ids)

    async def _close(self) -> None:
        if self._producer is not None:
            made, self._producer = self._producer, None
            await kafka.stop(made, 2)
