"""A batch of reactions as one commit: state, inbox and outbox together, or nothing."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.contract.alerts import ResolveDeadLetter
from shared.contract.dead_letter import failure_headers, without_failure
from shared.contract.envelope import Envelope, message_id, write
from shared.contract.message import Message
from shared.contract.rejection import CommandRejected
from shared.contract.topics import DEAD_LETTERS, events_topic, source_of
from shared.runtime.aggregates import Aggregates
from shared.runtime.inputs import DeadLetter, Deliver, Reject, RetryTimer, WorkItem, ids
from shared.runtime.observability.logs import about
from shared.runtime.observability.meter import Meter
from shared.runtime.observability.tracing import Tracer
from shared.runtime.postgres import outbox, ownership
from shared.runtime.postgres.database import is_away, is_conflict
from shared.runtime.postgres.outbox import OutboxRow
from shared.runtime.postgres.store import ConflictError, Loaded, Origin, Store
from shared.runtime.reactions import TimerFired, arguments
from shared.runtime.records import Outgoing
from shared.runtime.sifting import sifted

log = logging.getLogger(__name__)
RETRY_AFTER: Final = timedelta(minutes=15)
"""When a timer fires again whose reaction failed."""
HANDLED, REFUSED, BEFORE = "handled at last", "refused at last", "handled before"
CLOSINGS: Final = (HANDLED, REFUSED, BEFORE)
"""What can become of a redrive, for the record of its dead letter."""


class DatabaseAwayError(Exception):
    """The database cannot be reached or takes no writes: wait and hand the same batch in again."""


class StuckTimerError(Exception):
    """A reaction neither moved nor cleared the timer it was called for: a bug in the reaction."""


class CulpritError(Exception):
    """Reactions failed; ``failed`` are their work items, each with what it raised."""

    def __init__(self, failed: Sequence[tuple[Deliver, Exception]]) -> None:
        super().__init__(", ".join(sorted({item.reaction.name for item, _ in failed})))
        self.failed = failed


@dataclass
class Committed:
    """What one or several commits did: the rows to publish, the aggregates that changed, how many items were new.

    ``visits``: how often others have committed beside the owner, by partition.
    """

    rows: list[OutboxRow] = field(default_factory=list)
    changed: list[Loaded[Any]] = field(default_factory=list)
    handled: int = 0
    visits: dict[int, int] = field(default_factory=dict)

    def add(self, other: "Committed") -> None:
        """Append what a later commit did."""
        self.rows += other.rows
        self.changed += other.changed
        self.handled += other.handled
        self.visits |= other.visits


class Processor:
    """Commits batches for one service. ``partition_of``: by Kafka key. ``context``: what reactions ask for, by type."""

    def __init__(
        self,
        service: str,
        engine: AsyncEngine,
        stores: Sequence[Store[Any]],
        partition_of: Callable[[str], int],
        context: Mapping[type[Any], Any],
        topic_name: Callable[[str], str] = str,
        tracer: Tracer | None = None,
    ) -> None:
        self.service, self.engine, self.partition_of, self.context = service, engine, partition_of, context
        self.stores = {store.kind: store for store in stores}
        self.topic_name = topic_name
        self.source = source_of(service)
        self.meter = Meter(service, partition_of)
        self.tracer = tracer or Tracer()

    async def process(self, items: Sequence[WorkItem], epochs: Mapping[int, int] | None) -> Committed:
        """Commit these items, in order.

        ``epochs``: by partition, as given when it was taken; nothing where other members own the partitions.

        An item that cannot be handled becomes a dead letter, the others are committed. Raises
        :class:`shared.runtime.postgres.ownership.FencedError` and :class:`DatabaseAwayError`; nothing is lost by either.
        """
        todo = list(items)
        seek = False
        while todo:
            try:
                return await self._commit(todo, epochs, seek_culprits=seek)
            except CulpritError as culprits:
                if seek:
                    self._replace_failed(culprits, todo)
                seek = not seek  # where one fails others may: they are sought in one more run, and not one run each
            except ownership.FencedError:
                raise
            except Exception as error:
                if isinstance(error, ConflictError) or is_conflict(error):
                    await asyncio.sleep(0)
                elif is_away(error):
                    raise DatabaseAwayError(f"{type(error).__name__}: {error}") from error
                elif len(todo) > 1:
                    half = len(todo) // 2
                    committed = await self.process(todo[:half], epochs)
                    committed.add(await self.process(todo[half:], epochs))
                    return committed
                elif isinstance(todo[0], Deliver):
                    log.exception("%s cannot be committed", todo[0].reaction.name, extra=about(ids(todo[0])))
                    todo[0] = self._failed_item(todo[0], error)
                else:
                    raise
        return Committed()

    def _replace_failed(self, culprits: CulpritError, todo: list[WorkItem]) -> None:
        for item, cause in culprits.failed:
            log.error("%s failed; a dead letter says why", item.reaction.name, exc_info=cause, extra=about(ids(item)))
            place = next(n for n, other in enumerate(todo) if other is item)  # there may be equal ones
            todo[place] = self._failed_item(item, cause)

    def _failed_item(self, item: Deliver, error: BaseException) -> WorkItem:
        if item.record is not None:
            return DeadLetter(item.partition, item.record, error, item.reaction.name)
        return RetryTimer(item.partition, item.reaction, item.trigger, error)

    async def _commit(self, items: Sequence[WorkItem], epochs: Mapping[int, int] | None, *, seek_culprits: bool) -> Committed:
        """One transaction. With ``seek_culprits`` it runs to the end whatever fails, and raises all that did."""
        async with self.engine.begin() as connection:
            partitions = {item.partition for item in items}
            if epochs is None:
                now, visits = await ownership.visit(connection, partitions), dict[int, int]()
            else:
                now, visits = await ownership.check(connection, {partition: epochs[partition] for partition in partitions})
            began = time.perf_counter()
            unseen, known = await sifted(connection, items)
            work = _Work(self, connection, now)
            await work.aggregates.preload([item for item in unseen if isinstance(item, Deliver)])
            failed: list[tuple[Deliver, Exception]] = []
            for item in unseen:
                try:
                    await work.do(item, undo=seek_culprits)
                except CulpritError as culprit:
                    failed += culprit.failed
                    if not seek_culprits:
                        break
            if failed:
                raise CulpritError(failed)
            for item in unseen:
                work.close_dead_letter(item, REFUSED if work.refused(item) else HANDLED)
            for item in known:
                work.close_dead_letter(item, BEFORE)
            changed = await work.aggregates.save()
            await work.postpone()
            rows = await outbox.insert(connection, work.outgoing) if work.outgoing else []
        at = now + timedelta(seconds=time.perf_counter() - began)
        work.spans.committed()
        debug = log.isEnabledFor(logging.DEBUG)
        if work.dead or debug:
            _tell(unseen, debug=debug)
        self.meter.committed(unseen, work.emitted, work.dead, at)
        return Committed(rows, changed, len(unseen), visits)


def _tell(items: Iterable[WorkItem], *, debug: bool) -> None:
    """Log what could not be read, once its dead letter is committed; and all else, too, where that is wanted."""
    for item in items:
        if isinstance(item, DeadLetter) and item.stage == "read":
            log.warning("a record cannot be read and is a dead letter", extra=about(ids(item), error=type(item.error).__name__))
        elif debug:
            log.debug("committed: %s", type(item).__name__, extra=about(ids(item)))


class _Work:
    """What the items of one transaction ask for, and what is to be published of it."""

    def __init__(self, processor: Processor, connection: AsyncConnection, now: datetime) -> None:
        self.processor, self.connection, self.now = processor, connection, now
        self.aggregates = Aggregates(connection, processor.stores, processor.partition_of)
        self.outgoing: list[Outgoing] = []
        self.spans = processor.tracer.spans()
        self._refused: set[int] = set()
        self._overdue: list[tuple[Store[Any], str]] = []
        self.emitted: Counter[type[Message]] = Counter()
        self.dead: Counter[str] = Counter()

    async def do(self, item: WorkItem, *, undo: bool) -> None:
        """Do what one item asks for. Raises :class:`CulpritError`; with ``undo``, of what failed nothing is left then."""
        match item:
            case Deliver():
                await self._react(item, undo=undo)
            case Reject():
                self._reject(item)
            case DeadLetter():
                self._dead_letter(item)
            case RetryTimer():
                self._retry_timer(item)

    async def _react(self, item: Deliver, *, undo: bool) -> None:
        reaction = item.reaction
        own = None
        if reaction.aggregate:
            own = self.aggregates.own(reaction.aggregate, reaction.id_of(item.trigger))
            due_at = getattr(own.aggregate, "due_at", None)
            if isinstance(item.trigger, TimerFired) and (due_at is None or due_at > self.now):
                return  # moved or cleared since it was found
        cause = self.spans.handling(item, item.envelope or self._inner_cause(item, own))
        related = await self.aggregates.related(item) if reaction.related else {}
        restore = self.aggregates.restore_point(item, related) if undo else None
        try:
            aggregate = own.aggregate if own else None
            given = arguments(reaction, item.trigger, cause, self.now, aggregate, related, self.processor.context)
            emitted = reaction.run(given)
            if isinstance(item.trigger, TimerFired) and own and own.aggregate.due_at == due_at:
                raise StuckTimerError(reaction.name)
        except Exception as error:
            if restore:
                restore()
            raise CulpritError([(item, error)]) from error
        if own and item.envelope:
            own.origin = Origin(cause.correlation_id, cause.traceparent)
        for index, message in enumerate(emitted):
            if isinstance(message, Outgoing):
                self.outgoing.append(message)
            else:
                self._emit(cause, index, message)
        if any(isinstance(message, CommandRejected) for message in emitted):
            self._refused.add(id(item))

    def _inner_cause(self, item: Deliver, own: Loaded[Any] | None) -> Envelope:
        """The envelope of a timer or an answer: it belongs to the story of its aggregate."""
        assert own is not None
        name = type(own.aggregate).__name__
        if isinstance(item.trigger, TimerFired):
            cause_id = f"due/{name}/{item.trigger.aggregate_id}/{own.aggregate.due_at.isoformat()}"
        else:
            cause_id = item.trigger.id
        origin = own.origin or Origin(cause_id)
        return Envelope(
            id=cause_id,
            source=self.processor.source,
            type=type(item.trigger).__name__,
            key=own.aggregate.cart_id,
            correlation_id=origin.correlation_id,
            traceparent=item.traceparent or origin.traceparent,
        )

    def _emit(self, cause: Envelope, index: int, message: Message) -> None:
        service, partition = self.processor.service, self.processor.partition_of(message.key)
        envelope = Envelope(
            id=message_id(service, f"{cause.source}\n{cause.id}", index),
            source=self.processor.source,
            type=message.type_name(),
            key=message.key,
            correlation_id=cause.correlation_id,
            causation_id=cause.id,
            traceparent=cause.traceparent,
        )
        topic = message.topic or events_topic(service)
        envelope = self.spans.sending(message, envelope, topic, partition)
        headers, value = write(envelope, message, self.now)
        key = message.key.encode()
        self.outgoing.append(Outgoing(partition, topic, key, value, headers))
        self.emitted[type(message)] += 1
        if message.alarm:
            self.dead["compensation"] += 1
            why = failure_headers(
                service,
                "compensation",
                self.processor.topic_name(topic),
                partition,
                -1,
                type(message).__name__,
                str(getattr(message, "reason", "")),
                self.now,
            )
            self.outgoing.append(Outgoing(partition, DEAD_LETTERS, key, value, [*headers, *why]))

    def _reject(self, item: Reject) -> None:
        error = item.error
        refusal = CommandRejected(
            command_key=error.envelope.key or "unknown",
            command_id=error.envelope.id,
            command_type=error.command.type_name(),
            reasons=error.reasons,
        )
        index = int.from_bytes(item.reused) if item.reused else 0  # its id is not the other's, whose answers begin with 0
        self._emit(self.spans.handling(item, error.envelope), index, refusal)

    def refused(self, item: WorkItem) -> bool:
        """Whether the command of an item was rejected, by the contract or by a rule."""
        return isinstance(item, Reject) or (isinstance(item, Deliver) and id(item) in self._refused)

    def close_dead_letter(self, item: WorkItem, why: str) -> None:
        """Tell alerts what became of a redrive: its dead letter needs nothing more."""
        if isinstance(item, Deliver | Reject) and item.record and (redriven := item.record.redriven):
            cause = Envelope(redriven.command_id, self.processor.source, "", redriven.dead_letter_id, redriven.command_id)
            closing = ResolveDeadLetter(dead_letter_id=redriven.dead_letter_id, by=self.processor.service, why=why)
            self._emit(cause, CLOSINGS.index(why), closing)  # another content has another id

    def _dead_letter(self, item: DeadLetter) -> None:
        record, error = item.record, item.error
        self.spans.dead_letter(item)
        why = failure_headers(
            self.processor.service,
            item.stage,
            self.processor.topic_name(record.topic),
            record.partition,
            record.offset,
            type(error).__name__,
            str(error),
            self.now,
        )
        headers = [*without_failure(record.headers), *why]
        self.dead[item.stage] += 1
        self.outgoing.append(Outgoing(item.partition, DEAD_LETTERS, record.key, record.value, headers))

    def _retry_timer(self, item: RetryTimer) -> None:
        name, error = item.reaction.name, item.error
        body = repr(item.trigger).encode()
        why = failure_headers(self.processor.service, name, "", item.partition, -1, type(error).__name__, str(error), self.now)
        self.dead[name] += 1
        self.outgoing.append(Outgoing(item.partition, DEAD_LETTERS, item.reaction.id_of(item.trigger).encode(), body, why))
        if isinstance(item.trigger, TimerFired) and item.reaction.aggregate:
            self._overdue.append((self.processor.stores[item.reaction.aggregate], item.trigger.aggregate_id))

    async def postpone(self) -> None:
        """Move the timers whose reactions failed, once all is saved: another item may have moved or cleared them."""
        for store, aggregate_id in self._overdue:
            await store.postpone(self.connection, aggregate_id, self.now + RETRY_AFTER)
