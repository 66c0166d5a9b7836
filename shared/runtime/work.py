"""What the items of one commit ask for: reactions are run, and what they emit is written down."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from shared.contract.alerts import ResolveDeadLetter
from shared.contract.dead_letter import failure_headers, without_failure
from shared.contract.envelope import Envelope, message_id, write
from shared.contract.message import Message
from shared.contract.rejection import CommandRejected
from shared.contract.topics import DEAD_LETTERS, events_topic, source_of
from shared.runtime.aggregates import Aggregates
from shared.runtime.database import Loaded, Origin, Reader, Transaction
from shared.runtime.inputs import DeadLetter, Deliver, Reject, RetryTimer, WorkItem
from shared.runtime.observability.tracing import Tracer
from shared.runtime.postgres.store import Store
from shared.runtime.reactions import TimerFired, arguments
from shared.runtime.records import Outgoing

RETRY_AFTER: Final = timedelta(minutes=15)
"""When a timer fires again whose reaction failed."""
HANDLED, REFUSED, BEFORE = "handled at last", "refused at last", "handled before"
CLOSINGS: Final = (HANDLED, REFUSED, BEFORE)
"""What can become of a redrive, for the record of its dead letter."""


class StuckTimerError(Exception):
    """A reaction neither moved nor cleared the timer it was called for: a bug in the reaction."""


class CulpritError(Exception):
    """Reactions failed; ``failed`` are their work items, each with what it raised."""

    def __init__(self, failed: Sequence[tuple[Deliver, Exception]]) -> None:
        super().__init__(", ".join(sorted({item.reaction.name for item, _ in failed})))
        self.failed = failed


@dataclass(frozen=True)
class Wiring:
    """What the commits of one service have in common.

    ``partition_of`` gives the partition of a Kafka key, ``context`` what reactions ask for, ``topic_name`` the name of a topic
    at the broker.
    """

    service: str
    stores: Mapping[type[Any], Store[Any]]
    partition_of: Callable[[str], int]
    context: Mapping[type[Any], Any]
    topic_name: Callable[[str], str] = str
    tracer: Tracer = field(default_factory=Tracer)

    @property
    def source(self) -> str:
        """What its messages come from."""
        return source_of(self.service)


class Work:
    """What the items of one transaction ask for, and what is to be published of it."""

    def __init__(self, wiring: Wiring, reader: Reader, now: datetime) -> None:
        self._wiring, self._reader, self._now = wiring, reader, now
        self.aggregates = Aggregates(reader, wiring.stores, wiring.partition_of)
        self.outgoing: list[Outgoing] = []
        self.spans = wiring.tracer.spans()
        self._refused: set[int] = set()
        self._overdue: list[tuple[Store[Any], str]] = []
        self._home = 0
        self.emitted: Counter[type[Message]] = Counter()
        self.dead: Counter[str] = Counter()

    def anew(self) -> "Work":
        """The same, with nothing done yet."""
        return Work(self._wiring, self._reader, self._now)

    async def run(self, items: Sequence[WorkItem], *, to_the_end: bool) -> None:
        """Do what the items ask for.

        Raises :class:`CulpritError` for the first that fails, or, ``to_the_end``, for all that do.
        """
        await self.aggregates.preload([item for item in items if isinstance(item, Deliver)])
        failed: list[tuple[Deliver, Exception]] = []
        for item in items:
            try:
                await self._do(item, undo=to_the_end)
            except CulpritError as culprit:
                failed += culprit.failed
                if not to_the_end:
                    break
        if failed:
            raise CulpritError(failed)

    async def _do(self, item: WorkItem, *, undo: bool) -> None:
        """Do what one item asks for; with ``undo``, of what failed nothing is left."""
        self._home = item.partition
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
            if isinstance(item.trigger, TimerFired) and (due_at is None or due_at > self._now):
                return  # moved or cleared since it was found
        cause = self.spans.handling(item, item.envelope or self._inner_cause(item, own))
        related = await self.aggregates.related(item) if reaction.related else {}
        restore = self.aggregates.restore_point(item, related) if undo else None
        try:
            aggregate = own.aggregate if own else None
            given = arguments(reaction, item.trigger, cause, self._now, aggregate, related, self._wiring.context)
            emitted = reaction.run(given)
            if isinstance(item.trigger, TimerFired) and own and own.aggregate.due_at == due_at:
                raise StuckTimerError(reaction.name)
        except Exception as error:
            if restore:
                restore()
            raise CulpritError([(item, error)]) from error
        if own and item.envelope:
            own.touched = Origin(cause.correlation_id, cause.traceparent)
        for index, message in enumerate(emitted):
            if isinstance(message, Outgoing):
                self.outgoing.append(replace(message, home=self._home))
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
        origin = own.story or Origin(cause_id)
        return Envelope(
            id=cause_id,
            source=self._wiring.source,
            type=type(item.trigger).__name__,
            key=own.aggregate.cart_id,
            correlation_id=origin.correlation_id,
            traceparent=item.traceparent or origin.traceparent,
        )

    def _emit(self, cause: Envelope, index: int, message: Message) -> None:
        service, partition = self._wiring.service, self._wiring.partition_of(message.key)
        envelope = Envelope(
            id=message_id(service, f"{cause.source}\n{cause.id}", index),
            source=self._wiring.source,
            type=message.type_name(),
            key=message.key,
            correlation_id=cause.correlation_id,
            causation_id=cause.id,
            traceparent=cause.traceparent,
        )
        topic = message.topic or events_topic(service)
        envelope = self.spans.sending(message, envelope, topic, partition)
        headers, value = write(envelope, message, self._now)
        key = message.key.encode()
        self.outgoing.append(Outgoing(partition, topic, key, value, headers, self._home))
        self.emitted[type(message)] += 1
        if message.alarm:
            self.dead["compensation"] += 1
            why = failure_headers(
                service,
                "compensation",
                self._wiring.topic_name(topic),
                partition,
                -1,
                type(message).__name__,
                str(getattr(message, "reason", "")),
                self._now,
            )
            self.outgoing.append(Outgoing(partition, DEAD_LETTERS, key, value, [*headers, *why], self._home))

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

    def _is_refused(self, item: WorkItem) -> bool:
        """Whether the command of an item was rejected, by the contract or by a rule."""
        return isinstance(item, Reject) or (isinstance(item, Deliver) and id(item) in self._refused)

    def close_dead_letters(self, unseen: Sequence[WorkItem], known: Sequence[WorkItem] = ()) -> None:
        """Tell alerts what became of redrives: their dead letters need nothing more."""
        for item in unseen:
            self._close_dead_letter(item, REFUSED if self._is_refused(item) else HANDLED)
        for item in known:
            self._close_dead_letter(item, BEFORE)

    def _close_dead_letter(self, item: WorkItem, why: str) -> None:
        if isinstance(item, Deliver | Reject) and item.record and (redriven := item.record.redriven):
            cause = Envelope(redriven.command_id, self._wiring.source, "", redriven.dead_letter_id, redriven.command_id)
            self._home = item.partition
            closing = ResolveDeadLetter(dead_letter_id=redriven.dead_letter_id, by=self._wiring.service, why=why)
            self._emit(cause, CLOSINGS.index(why), closing)  # another content has another id

    def _dead_letter(self, item: DeadLetter) -> None:
        record, error = item.record, item.error
        self.spans.dead_letter(item)
        why = failure_headers(
            self._wiring.service,
            item.stage,
            self._wiring.topic_name(record.topic),
            record.partition,
            record.offset,
            type(error).__name__,
            str(error),
            self._now,
        )
        headers = [*without_failure(record.headers), *why]
        self.dead[item.stage] += 1
        self.outgoing.append(Outgoing(item.partition, DEAD_LETTERS, record.key, record.value, headers))

    def _retry_timer(self, item: RetryTimer) -> None:
        name, error = item.reaction.name, item.error
        body = repr(item.trigger).encode()
        why = failure_headers(self._wiring.service, name, "", item.partition, -1, type(error).__name__, str(error), self._now)
        self.dead[name] += 1
        self.outgoing.append(Outgoing(item.partition, DEAD_LETTERS, item.reaction.id_of(item.trigger).encode(), body, why))
        if isinstance(item.trigger, TimerFired) and item.reaction.aggregate:
            self._overdue.append((self._wiring.stores[item.reaction.aggregate], item.trigger.aggregate_id))

    async def postpone(self, transaction: Transaction) -> list[tuple[Store[Any], str]]:
        """Move the timers whose reactions failed, once all is saved: another item may have moved or cleared them."""
        for store, aggregate_id in self._overdue:
            await transaction.postpone(store, aggregate_id, self._now + RETRY_AFTER)
        return self._overdue
