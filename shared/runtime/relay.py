"""The relay: from the outbox to Kafka, in the order of the commits, each row until the broker has it (step 10).

Rows come straight from memory after their commit; the table is what remains after a crash, a hand-over or an outage.
One group of rows is under way at a time, and the next is sent when all of it is acknowledged: a row that must be sent
again is never overtaken.

A topic that refuses what is sent (no authorization, no such topic, too few replicas) keeps no other topic waiting: its rows
stay in the outbox, in their order, and the first of them is tried now and then until the topic takes it.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from shared.runtime import kafka
from shared.runtime.database import Database, DatabaseError, OutboxRow
from shared.runtime.kafka.sender import REFUSALS, TOO_LARGE, Outcome, Sender
from shared.runtime.observability import metrics
from shared.runtime.observability.logs import about
from shared.runtime.observability.repeats import REPEATED, Outage
from shared.runtime.records import IN_HAND_BYTES, ids, size
from shared.runtime.refusals import Refusals
from shared.settings import Settings
from shared.timeouts import backoff, wait_for_event

log = logging.getLogger(__name__)
GROUP: Final = 2_000
"""Rows sent at once; fewer where they are large."""
FULL: Final = 10_000
FULL_BYTES: Final = 4 * IN_HAND_BYTES
"""Rows waiting at which a service stops committing more, and their bytes."""
FORGET_SECONDS: Final = 0.25
"""How long acknowledgements are gathered for one statement that deletes their rows."""
LONGEST_WAIT: Final = 5.0
PATIENCE: Final = 3
"""Attempts after which a topic that does not answer no longer holds up the others, should it alone be at fault."""
PROBE_SECONDS: Final = 0.5
"""How often it is looked whether a topic that refuses is to be tried again."""


class Relay:
    """Publishes for one service. ``partitions`` returns those that are owned now.

    ``trouble``: why nothing is published now, or nothing where it is.
    """

    def __init__(self, service: str, settings: Settings, database: Database, partitions: Callable[[], set[int]]) -> None:
        self._service, self._settings, self._database, self._partitions = service, settings, database, partitions
        self._waiting: deque[OutboxRow] = deque()
        self._bytes = 0
        self._known: set[int] = set()
        self._acked: list[int] = []
        self._more, self._done, self._room = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._room.set()
        self._sender = Sender(settings, f"{service}-relay")
        self._trouble: str | None = None
        self._outage = Outage(log, service)
        self.refusals = Refusals(service)
        self._published = metrics.published.labels(service)
        self._failures = metrics.relay_failures.labels(service)

    @property
    def trouble(self) -> str | None:
        """Why records cannot be published, or those of some topics."""
        return self._trouble or self.refusals.trouble

    def publish(self, rows: Sequence[OutboxRow]) -> None:
        """Send the rows of a commit. Rows of partitions another member owns are left to it, and those of topics that refuse."""
        partitions = self._partitions()
        self._queue(
            [
                row
                for row in rows
                if row.record.sent_by in partitions and row.id not in self._known and row.record.topic not in self.refusals
            ]
        )

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

    async def wait_for_capacity(self, seconds: float) -> bool:
        """Wait until more may be committed, so many seconds at most; returns whether it may."""
        return await wait_for_event(self._room, seconds)

    def stop_backpressure(self) -> None:
        """Make nobody wait for capacity any more: nothing more will be committed."""
        self._room.set()

    async def drained(self) -> None:
        """Wait until all that was handed in is acknowledged."""
        await self._idle.wait()

    async def publish_pending(self, partitions: set[int]) -> None:
        """Publish what is committed for these partitions and was never handed in: left by a crash or by another member.

        To be called between commits only, so that what a commit hands in cannot be found here before; and of a new partition
        before its first commit, so that nothing overtakes what was left. Topics that take records again are published from
        here on, if these are all the partitions that are owned.
        """
        if partitions >= self._partitions():
            self.refusals.lift()
        while True:
            refusing = list(self.refusals)
            rows, more = await self._database.pending(partitions, self._known, GROUP, IN_HAND_BYTES, refusing)
            rows = [row for row in rows if row.record.topic not in self.refusals]  # it may have begun meanwhile
            self._queue(rows)
            if not more:
                return
            await self.drained()

    async def run(self) -> None:
        """Send and forget rows until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                for work in (self._send_waiting(), self._delete_acked(), self._probe()):
                    group.create_task(work)
        finally:
            await self._forget()
            await self._sender.close()

    async def _send_waiting(self) -> None:
        while True:
            await self._more.wait()
            group = self._next_group()
            if not self._waiting:
                self._more.clear()
            if not self._is_full:
                self._room.set()
            await self._send_all(group)
            if not self._waiting:
                self._idle.set()

    def _next_group(self) -> list[OutboxRow]:
        group: list[OutboxRow] = []
        taken = 0
        while self._waiting and len(group) < GROUP and taken < IN_HAND_BYTES:
            row = self._waiting.popleft()
            group.append(row)
            taken += size(row.record)
        self._bytes -= taken
        return group

    async def _send_all(self, group: Sequence[OutboxRow]) -> None:
        """Send a group until every row of it is acknowledged, quarantined, or left in the outbox as its topic refuses it."""
        left = list(group)
        attempt = 0
        while left:
            try:
                left = await self._send_what_fits(left, attempt)
                self._trouble = None
                self._outage.ends()
            except (KafkaError, DatabaseError, OSError, TimeoutError) as error:
                wait = backoff(attempt, LONGEST_WAIT)
                attempt += 1
                self._trouble = f"nothing can be published: {error!r}"
                self._outage.lasts(self._trouble, again=wait)
                self._failures.inc()
                await self._sender.close()
                done = set(self._acked)
                left = [row for row in left if row.id in self._known and row.id not in done]
                await asyncio.sleep(wait)

    async def _send_what_fits(self, rows: Sequence[OutboxRow], attempt: int) -> list[OutboxRow]:
        """Send rows once; returns those that are still to be sent. Raises why none could be, where no topic is at fault."""
        fit = [row for row in rows if len(row.record.value or b"") <= kafka.MAX_REQUEST_BYTES]
        outcome = await self._sender.send(fit)
        self._note_acked(outcome.acked)
        unsent = {row.id: row for row in rows}
        for row in outcome.acked:
            del unsent[row.id]
        if outcome.failed:
            await self._sender.close()
        for topic, error in outcome.failed.items():
            if not isinstance(error, TOO_LARGE):
                if not (outcome.acked or isinstance(error, REFUSALS) or attempt >= PATIENCE):
                    raise error
                self._refuse(topic, error)
        for row in list(unsent.values()):
            error = outcome.failed.get(row.record.topic, MessageSizeTooLargeError())
            if row.record.topic in self.refusals:
                self._known.discard(row.id)
                del unsent[row.id]
            elif isinstance(error, TOO_LARGE) and await self._sent_alone(row):
                del unsent[row.id]
        return list(unsent.values())

    async def _sent_alone(self, row: OutboxRow) -> bool:
        """Send a row by itself, or quarantine it as too large; returns whether it is either."""
        alone = Outcome(failed={row.record.topic: MessageSizeTooLargeError()})
        if len(row.record.value or b"") <= kafka.MAX_REQUEST_BYTES:
            alone = await self._sender.send([row])
        self._note_acked(alone.acked)
        for error in alone.failed.values():
            await self._sender.close()
            if not isinstance(error, TOO_LARGE):
                return False
            await self._quarantine(row, error)
        return True

    def _note_acked(self, rows: Sequence[OutboxRow]) -> None:
        self._published.inc(len(rows))
        self._acked.extend(row.id for row in rows)
        self._done.set()

    def _refuse(self, topic: str, error: Exception) -> None:
        """Leave the rows of a topic in the outbox: all that are in hand, and all that come."""
        self.refusals.add(topic, error)
        self._known.difference_update(row.id for row in self._waiting if row.record.topic == topic)
        self._waiting = deque(row for row in self._waiting if row.record.topic != topic)
        self._bytes = sum(size(row.record) for row in self._waiting)
        if not self._is_full:
            self._room.set()

    async def _probe(self) -> None:
        """Try the first row of each topic that refuses, now and then, until cancelled."""
        while True:
            await asyncio.sleep(PROBE_SECONDS)
            await asyncio.gather(*map(self._try_again, self.refusals.due()))

    async def _try_again(self, topic: str) -> None:
        try:
            await self._try_first_of(topic)
        except (KafkaError, DatabaseError, OSError, TimeoutError) as error:
            self.refusals.add(topic, error)
        else:
            self.refusals.taken(topic)

    async def _try_first_of(self, topic: str) -> None:
        """Raises why the topic does not take it."""
        row = await self._database.first_pending(self._partitions(), self._known, topic)
        if row is not None:
            sender = Sender(self._settings, f"{self._service}-relay-probe")
            try:
                outcome = await sender.send([row])
            finally:
                await sender.close()
            for error in outcome.failed.values():
                if not isinstance(error, TOO_LARGE):
                    raise error
                await self._quarantine(row, error)
            self._known.update(row.id for row in outcome.acked)  # until it is deleted, it would be found as pending
            self._note_acked(outcome.acked)

    async def _quarantine(self, row: OutboxRow, error: Exception) -> None:
        what = about(ids(row.record))
        log.error("%s: outbox row %d cannot be sent and is quarantined: %s", self._service, row.id, error, extra=what)
        await self._database.quarantine(row.id, str(error))
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
            await self._database.delete(ids)
        except DatabaseError as error:
            log.warning("%s: %d sent rows stay in the outbox for now: %r", self._service, len(ids), error, extra=REPEATED)
            self._done.set()
        else:
            del self._acked[: len(ids)]
            self._known.difference_update(ids)
