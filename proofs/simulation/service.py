"""A service: its consumer group, its processes and its database, under the rules of :mod:`shared.runtime`.

A batch is one commit of aggregates, inbox and outbox; every commit checks the epoch of its partition; offsets are committed
after the database; a partition is taken, and what its former owner left in the outbox handed to the relay, before the
first commit on it; the relay publishes in the order of the commits, then deletes.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

from proofs.simulation import races
from proofs.simulation.database import Database, Draft, Row
from proofs.simulation.environment import Environment
from proofs.simulation.events import Event
from proofs.simulation.faults import CommitFault, DeadLetter, Garbage
from proofs.simulation.group import ConsumerGroup
from proofs.simulation.partitions import Delivery, Feed, Member
from proofs.simulation.relay import Relay
from proofs.simulation.watch import BrokenError, Watch
from proofs.simulation.wiring import Deadline, Wired, envelope, inner_cause, react, wiring
from shared.contract.envelope import Envelope
from shared.contract.message import Message
from shared.runtime.reactions import TimerFired, id_field

A = TypeVar("A")
Input = tuple[Envelope | None, Any]
"""What a batch is made of: a trigger, with its envelope where it came through Kafka."""
ANY: Final = "any"
AHEAD: Final = 0.2
"""The part of batches that are fetched while another is not committed yet."""


class Service:
    """One service. ``faults``: what becomes of the commits that come next, one each.

    ``dying``: the next records of a type, or of :data:`ANY`, become dead letters, each redriven so much later. ``dead``:
    those that did.

    ``on_commit`` is called with the member and the aggregate of each input it has committed.
    """

    def __init__(self, name: str, env: Environment, watch: Watch, partitions: int, members: int) -> None:
        self.name, self.env, self.watch = name, env, watch
        self.wiring = wiring(name)
        self.database = Database(partitions)
        self.relay = Relay(name, env, self.database)
        self.group = ConsumerGroup(name, env, self.database, self.relay, members, self._resume)
        self.faults: deque[CommitFault] = deque()
        self.on_commit: Callable[[Member, Any], None] | None = None
        self.dying: dict[str, list[timedelta]] = {}
        self.dead: set[str] = set()
        self._redrives = [Feed("redrives", partition, self.poll) for partition in self.group.partitions]
        for feed in self._redrives:
            feed.partition.feeds.append(feed)
        for topic, kinds in self.wiring.topics.items():
            for partition in self.group.partitions:
                feed = Feed(topic, partition, self.poll)
                partition.feeds.append(feed)
                env.subscribe(feed, kinds)

    @property
    def aggregates(self) -> dict[type[Any], dict[str, Any]]:
        """What is in its database, by type and id."""
        return self.database.aggregates

    def own(self, kind: type[A], aggregate_id: str) -> A:
        """An aggregate, made blank where it does not exist."""
        found: A = self.database.own(kind, aggregate_id)
        return found

    def poll(self, feed: Feed) -> None:
        """The owner fetches a batch, or commits one it has fetched."""
        start, chance = feed.position, self.env.chance()
        if start < len(feed.records):
            batch = feed.records[start : start + 1 + int(chance * chance * 8)]
            feed.position += len(batch)
            if feed.fetched or chance < AHEAD:
                feed.fetched.append((start, batch))
                if chance < AHEAD:
                    return
                start, batch = feed.fetched.popleft()
        else:
            start, batch = feed.fetched.popleft()
        self._handle(feed, start, batch)
        if not feed.fetched and feed.position == len(feed.records):
            self.env.ready.remove(feed.polling)

    def _handle(self, feed: Feed, start: int, batch: list[Delivery]) -> None:
        owner = feed.partition.owner
        assert owner is not None
        if self.faults and self.faults[0] is CommitFault.PAUSE:
            self.faults.popleft()
            self._note(CommitFault.PAUSE, owner)
            feed.fetched.appendleft((start, batch))
            self.group.pause(owner)
        elif self.commit(owner, feed.partition.number, batch, feed, start):
            feed.done = start + len(batch)
            if self.env.chance() < 0.5:
                feed.committed = feed.done
        elif feed.partition.owner is owner:
            feed.fetched.appendleft((start, batch))

    def _resume(self, member: Member) -> None:
        """A process that was paused goes on with what it had in hand."""
        if not member.stale:
            self.group.fence(member)
            return
        partition, batch = member.stale.popleft()
        self.commit(member, partition, batch)

    # --- the commit

    def commit(self, member: Member, partition: int, inputs: Sequence[Input], feed: Feed | None = None, start: int = 0) -> bool:
        """One transaction; returns whether the member knows that it was committed.

        ``feed`` and ``start`` say where records came from. Where it returns False, the member has died, has lost its
        partitions, or takes them anew before it tries again.
        """
        fault = self.faults.popleft() if self.faults and self.faults[0] is not CommitFault.PAUSE else None
        if fault is not None:
            self._note(fault, member)
        if fault is CommitFault.ABORTED or self.group.away_until > self.env.now:
            self.group.release(member)
            return False
        if not self.group.owns(member, partition):
            self.env.coverage.races[races.FENCED] += 1
            self.env.note(member.name, "may not commit: others own its partitions")
            self.group.fence(member)
            return False
        if fault is CommitFault.CRASH_BEFORE:
            self._rehearse(inputs)
            self.group.die(member)
            return False
        rows: list[Row] = []
        changed = self._work(member, inputs, rows, feed, start)
        for row in rows:
            row.committed = True
        if fault is not None:
            self._end_badly(fault, member, rows)
            return False
        if rows:
            self.relay.hand_in(member, rows)
        if self.on_commit is not None:
            for aggregate in changed:
                self.on_commit(member, aggregate)
        return True

    def _end_badly(self, fault: CommitFault, member: Member, rows: Sequence[Row]) -> None:
        """It is committed, but the member does not live to know it, or does not hear of it."""
        for row in rows:
            self.database.outbox[row.partition].append(row)
        if fault is CommitFault.ANSWER_LOST:
            self.group.release(member)
            return
        if fault is CommitFault.CRASH_PUBLISHED:
            self.relay.send_and_die(member, rows)
        self.group.die(member)

    def _work(self, member: Member, inputs: Sequence[Input], rows: list[Row], feed: Feed | None, start: int) -> list[Any]:
        """Run what is new, and fill the outbox with ``rows``; returns the aggregate of each."""
        changed: list[Any] = []
        for place, (cause, trigger) in enumerate(inputs, start):
            if cause is not None:
                if (self.dying or self.dead) and self._dies(cause, trigger, rows):
                    continue
                if not self.database.is_new(cause.id, trigger):
                    self.env.coverage.races[races.TWICE] += 1
                    continue
                if feed is not None:
                    if place < feed.latest:
                        raise BrokenError("order", f"{self.name}: {cause.id}", "is handled after a later one of its partition")
                    feed.latest = place
                if isinstance(trigger, Garbage):
                    self.env.coverage.races[races.UNREADABLE] += 1
                    rows.append(self._row(cause, 0, DeadLetter(cause.id), trigger.partition))
                    continue
            changed.append(self._react(member, cause, trigger, rows))
        return changed

    def _dies(self, cause: Envelope, trigger: Any, rows: list[Row]) -> bool:
        """Whether a record becomes a dead letter, now or before: its reaction fails until somebody mends it."""
        if cause.redriven or isinstance(trigger, Garbage) or cause.id in self.database.inbox:
            return False
        if cause.id in self.dead:
            return True
        mended_after = self._mended_after(cause.type)
        if mended_after is None:
            return False
        self.dead.add(cause.id)
        self.watch.dead += 1
        partition = self.env.partition_of(cause.key)
        rows.append(self._row(cause, 0, DeadLetter(f"{self.name}/{cause.id}"), partition))
        redriving = Event(lambda: self._redrive(redriving, (replace(cause, redriven=True), trigger), partition))
        self.env.timers.set(self.env.now + mended_after, redriving)
        self.env.note(self.name, f"{cause.type} {cause.key} becomes a dead letter")
        return True

    def _mended_after(self, kind: str) -> timedelta | None:
        """How long the next record of a type stays dead, where it dies."""
        name = kind if kind in self.dying else ANY
        those = self.dying.get(name)
        if those is None:
            return None
        if len(those) == 1:
            del self.dying[name]
        return those.pop()

    def _redrive(self, redriving: Event, delivery: Delivery, partition: int) -> None:
        self.env.ready.remove(redriving)
        self.env.coverage.redriven[self.name, delivery[0].type] += 1
        self._redrives[partition].partition.append(self._redrives[partition], delivery)

    def _react(self, member: Member, cause: Envelope | None, trigger: Any, rows: list[Row]) -> Any:
        env, now = self.env, self.env.now
        wired = self.wiring.of(trigger)
        own = wired.own(self.database, trigger)
        due_at = own.due_at if wired.timed else None
        if cause is None:
            if isinstance(trigger, TimerFired) and (due_at is None or due_at > now):
                return own  # moved or cleared since it was found
            cause = inner_cause(self.name, trigger, own)
        state = own.state if wired.stateful else None
        related, emitted = react(self.database, wired.reaction, own, trigger, cause, now)
        env.coverage.places[self.name, wired.name, state] += 1
        if wired.seen is not None and (race := wired.seen(state, own, related, emitted)):
            env.coverage.races[race] += 1
        self.watch.changed(own, related)
        if wired.timed:
            self._after(own, due_at, trigger)
        for others in related.values():
            for other in others.values():
                if type(other) in self.wiring.timers and other.due_at is not None and other.due_at <= now:
                    self.env.ready.add(self._timer(other))
        if env.timeline is not None:
            self._describe(member, wired, trigger, state, own, emitted)
        for index, message in enumerate(emitted):
            rows.append(self._row(cause, index, message))
        return own

    def _after(self, own: Any, due_before: datetime | None, trigger: Any) -> None:
        due_at = own.due_at
        if due_at != due_before:
            if due_at is not None and type(own) in self.wiring.timers:
                self._set_timer(own, due_at)
        elif isinstance(trigger, TimerFired):
            raise BrokenError("deadlines", trigger.aggregate_id, "neither moved nor cleared its deadline")

    def _row(self, cause: Envelope, index: int, message: Message | DeadLetter, partition: int | None = None) -> Row:
        made = envelope(self.name, cause, index, message)
        self.watch.emitted(message)
        self.env.log.append(message)
        self.database.rows += 1
        return Row(self.database.rows, self.env.partition_of(made.key) if partition is None else partition, made, message)

    def _rehearse(self, inputs: Sequence[Input]) -> list[tuple[Envelope, list[Message]]]:
        """Run a batch whose transaction will be rolled back; returns what it would have emitted, by its cause."""
        draft = Draft(self.database)
        emitted = []
        for cause, trigger in inputs:
            if isinstance(trigger, Garbage) or (cause is not None and cause.id in self.database.inbox):
                continue
            wired = self.wiring.of(trigger)
            own = wired.own(draft, trigger)
            cause = cause or inner_cause(self.name, trigger, own)
            _, messages = react(draft, wired.reaction, own, trigger, cause, self.env.now)
            emitted.append((cause, messages))
        return emitted

    # --- deadlines

    def _set_timer(self, own: Any, due_at: datetime) -> None:
        self.env.timers.set(due_at, self._timer(own))

    def _timer(self, own: Any) -> Event:
        trigger = Deadline(getattr(own, id_field(type(own))), type(own))
        timer = Event(lambda: self._fire(timer, trigger))
        return timer

    def _fire(self, timer: Event, trigger: Deadline) -> None:
        aggregate: Any = self.database.find(trigger.kind, trigger.aggregate_id)
        if aggregate.due_at is None or aggregate.due_at > self.env.now:
            self.env.ready.remove(timer)
            return
        partition = self.group.partitions[self.env.partition_of(aggregate.cart_id)]
        if partition.taken and partition.owner and self.commit(partition.owner, partition.number, [(None, trigger)]):
            self.env.ready.remove(timer)
        else:
            partition.park(timer)

    # --- notes

    def _note(self, fault: CommitFault, member: Member) -> None:
        self.env.coverage.faults[fault] += 1
        self.env.note(member.name, f"FAULT: {fault}")

    def _describe(self, member: Member, wired: Wired, trigger: Any, state: Any, own: Any, emitted: Sequence[Message]) -> None:
        after = getattr(own, "state", None)
        moved = f" {state or 'new'} → {after}" if after != state else f" stays {state}" if state else ""
        said = f", says {', '.join(type(message).__name__ for message in emitted)}" if emitted else ""
        about = getattr(trigger, "checkout_id", None) or getattr(trigger, "key", "") or getattr(trigger, "aggregate_id", "")
        self.env.note(member.name, f"{type(trigger).__name__} {about}: {wired.name}{moved}{said}")
