"""A service: its consumer group, its processes and its database, under the rules of :mod:`shared.runtime`.

A batch is one commit of aggregates, inbox and outbox; every commit checks the epoch of its lane; offsets are committed
after the database; a lane is taken, and what its former owner left in the outbox handed to the relay, before the
first commit on it; the relay publishes in the order of the commits, then deletes.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from shared.contract.envelope import Envelope
from shared.contract.message import Message
from shared.runtime.reactions import Due, id_field
from simulation import races
from simulation.agenda import Happening
from simulation.database import Database, Draft, Row
from simulation.group import Delivery, Feed, Member
from simulation.membership import Membership
from simulation.part import Deadline, Part, parts
from simulation.reacting import envelope, inner_cause, react
from simulation.relay import Relay
from simulation.stage import Stage
from simulation.troubles import DeadLetter, Fate, Garbage
from simulation.watch import BrokenError, Watch

A = TypeVar("A")
Input = tuple[Envelope | None, Any]
"""What a batch is made of: a trigger, with its envelope where it came through Kafka."""


class Dancer:
    """One service. ``fates``: what becomes of the commits that come next, one each.

    ``dying``: the next records become dead letters, each redriven so much later. ``dead``: those that did.

    ``on_commit`` is called with the member and the aggregate of each input it has committed.
    """

    def __init__(
        self, name: str, stage: Stage, watch: Watch, lanes: int, members: int, context: Mapping[type[Any], Any]
    ) -> None:
        self.name, self.stage, self.watch, self.context = name, stage, watch, context
        self.parts = parts(name)
        self.database = Database(lanes)
        self.relay = Relay(name, stage, self.database)
        self.group = Membership(name, stage, self.database, self.relay, members, self._resume)
        self.fates: deque[Fate] = deque()
        self.on_commit: Callable[[Member, Any], None] | None = None
        self.dying: deque[timedelta] = deque()
        self.dead: set[str] = set()
        self._redrives = [Feed("redrives", lane, self.poll) for lane in self.group.lanes]
        for feed in self._redrives:
            feed.lane.feeds.append(feed)
        for topic, kinds in self.parts.topics.items():
            for lane in self.group.lanes:
                feed = Feed(topic, lane, self.poll)
                lane.feeds.append(feed)
                stage.subscribe(feed, kinds)

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
        start, chance = feed.position, self.stage.chance()
        if start < len(feed.records):
            batch = feed.records[start : start + 1 + int(chance * chance * 8)]
            feed.position += len(batch)
            if feed.fetched or chance < 0.1:
                feed.fetched.append((start, batch))
                if chance < 0.1:
                    return
                start, batch = feed.fetched.popleft()
        else:
            start, batch = feed.fetched.popleft()
        self._handle(feed, start, batch)
        if not feed.fetched and feed.position == len(feed.records):
            self.stage.agenda.remove(feed.polling)

    def _handle(self, feed: Feed, start: int, batch: list[Delivery]) -> None:
        owner = feed.lane.owner
        assert owner is not None
        if self.fates and self.fates[0] is Fate.PAUSE:
            self.fates.popleft()
            self._note(Fate.PAUSE, owner)
            feed.fetched.appendleft((start, batch))
            self.group.pause(owner)
        elif self.commit(owner, feed.lane.number, batch, feed, start):
            feed.done = start + len(batch)
            if self.stage.chance() < 0.5:
                feed.committed = feed.done
        elif feed.lane.owner is owner:
            feed.fetched.appendleft((start, batch))

    def _resume(self, member: Member) -> None:
        """A process that was paused goes on with what it had in hand."""
        if not member.stale:
            self.group.fence(member)
            return
        lane, batch = member.stale.popleft()
        self.commit(member, lane, batch)

    # --- the commit

    def commit(self, member: Member, lane: int, inputs: Sequence[Input], feed: Feed | None = None, start: int = 0) -> bool:
        """One transaction; returns whether the member knows that it was committed.

        ``feed`` and ``start`` say where records came from. Where it returns False, the member has died, has lost its
        lanes, or takes them anew before it tries again.
        """
        fate = self.fates.popleft() if self.fates and self.fates[0] is not Fate.PAUSE else None
        if fate is not None:
            self._note(fate, member)
        if fate is Fate.ABORTED or self.group.away_until > self.stage.now:
            self.group.release(member)
            return False
        if not self.group.owns(member, lane):
            self.stage.coverage.races[races.FENCED] += 1
            self.stage.tell(member.name, "may not commit: others own its lanes")
            self.group.fence(member)
            return False
        if fate is Fate.CRASH_BEFORE:
            self._rehearse(inputs)
            self.group.die(member)
            return False
        rows: list[Row] = []
        changed = self._work(member, inputs, rows, feed, start)
        for row in rows:
            row.committed = True
        if fate is not None:
            self._end_badly(fate, member, rows)
            return False
        if rows:
            self.relay.hand_in(member, rows)
        if self.on_commit is not None:
            for aggregate in changed:
                self.on_commit(member, aggregate)
        return True

    def _end_badly(self, fate: Fate, member: Member, rows: Sequence[Row]) -> None:
        """It is committed, but the member does not live to know it, or does not hear of it."""
        for row in rows:
            self.database.outbox[row.lane].append(row)
        if fate is Fate.ANSWER_LOST:
            self.group.release(member)
            return
        if fate is Fate.CRASH_PUBLISHED:
            self.relay.send_and_die(member, rows)
        self.group.die(member)

    def _work(self, member: Member, inputs: Sequence[Input], rows: list[Row], feed: Feed | None, start: int) -> list[Any]:
        """Run what is new, and fill the outbox with ``rows``; returns the aggregate of each."""
        changed: list[Any] = []
        for place, (cause, trigger) in enumerate(inputs, start):
            if cause is not None:
                if (self.dying or self.dead) and self._dies(cause, trigger, rows):
                    continue
                if not self.database.is_new(cause.id):
                    self.stage.coverage.races[races.TWICE] += 1
                    continue
                if feed is not None:
                    if place < feed.latest:
                        raise BrokenError("order", f"{self.name}: {cause.id}", "is handled after a later one of its partition")
                    feed.latest = place
                if isinstance(trigger, Garbage):
                    self.stage.coverage.races[races.UNREADABLE] += 1
                    rows.append(self._row(cause, 0, DeadLetter(cause.id), trigger.lane))
                    continue
            changed.append(self._react(member, cause, trigger, rows))
        return changed

    def _dies(self, cause: Envelope, trigger: Any, rows: list[Row]) -> bool:
        """Whether a record becomes a dead letter, now or before: its reaction fails until somebody mends it."""
        if cause.redriven or isinstance(trigger, Garbage) or cause.id in self.database.inbox:
            return False
        if cause.id in self.dead:
            return True
        if not self.dying:
            return False
        self.dead.add(cause.id)
        self.watch.dead += 1
        lane = self.stage.lane_of(cause.key)
        rows.append(self._row(cause, 0, DeadLetter(f"{self.name}/{cause.id}"), lane))
        redriving = Happening(lambda: self._redrive(redriving, (replace(cause, redriven=True), trigger), lane))
        self.stage.timers.set(self.stage.now + self.dying.popleft(), redriving)
        self.stage.tell(self.name, f"{cause.type} {cause.key} becomes a dead letter")
        return True

    def _redrive(self, redriving: Happening, delivery: Delivery, lane: int) -> None:
        self.stage.agenda.remove(redriving)
        self.stage.coverage.redriven[self.name, delivery[0].type] += 1
        self._redrives[lane].lane.append(self._redrives[lane], delivery)

    def _react(self, member: Member, cause: Envelope | None, trigger: Any, rows: list[Row]) -> Any:
        stage, now = self.stage, self.stage.now
        part = self.parts.of(trigger)
        own = part.own(self.database, trigger)
        due_at = own.due_at if part.timed else None
        if cause is None:
            if isinstance(trigger, Due) and (due_at is None or due_at > now):
                return own  # moved or cleared since it was found
            cause = inner_cause(self.name, trigger, own)
        state = own.state if part.stateful else None
        related, emitted = react(self.database, part.reaction, own, trigger, cause, now, self.context)
        stage.coverage.places[self.name, part.name, state] += 1
        if part.seen is not None and (race := part.seen(state, own, related, emitted)):
            stage.coverage.races[race] += 1
        self.watch.changed(own, related)
        if part.timed:
            self._after(own, due_at, trigger)
        if part.numbered and own.number is None and own.cart_id:
            own.number = self.database.number()
        if stage.timeline is not None:
            self._tell(member, part, trigger, state, own, emitted)
        for index, message in enumerate(emitted):
            rows.append(self._row(cause, index, message))
        return own

    def _after(self, own: Any, due_before: datetime | None, trigger: Any) -> None:
        due_at = own.due_at
        if due_at != due_before:
            if due_at is not None and type(own) in self.parts.by_deadline:
                self._set_timer(own, due_at)
        elif isinstance(trigger, Due):
            raise BrokenError("deadlines", trigger.aggregate_id, "neither moved nor cleared its deadline")

    def _row(self, cause: Envelope, index: int, message: Message | DeadLetter, lane: int | None = None) -> Row:
        made = envelope(self.name, cause, index, message)
        self.watch.emitted(message)
        self.stage.log.append(message)
        self.database.rows += 1
        return Row(self.database.rows, self.stage.lane_of(made.key) if lane is None else lane, made, message)

    def _rehearse(self, inputs: Sequence[Input]) -> list[tuple[Envelope, list[Message]]]:
        """Run a batch whose transaction will be rolled back; returns what it would have emitted, by its cause."""
        draft = Draft(self.database)
        emitted = []
        for cause, trigger in inputs:
            if isinstance(trigger, Garbage) or (cause is not None and cause.id in self.database.inbox):
                continue
            part = self.parts.of(trigger)
            own = part.own(draft, trigger)
            cause = cause or inner_cause(self.name, trigger, own)
            _, messages = react(draft, part.reaction, own, trigger, cause, self.stage.now, self.context)
            emitted.append((cause, messages))
        return emitted

    # --- deadlines

    def _set_timer(self, own: Any, due_at: datetime) -> None:
        trigger = Deadline(getattr(own, id_field(type(own))), type(own))
        ringing = Happening(lambda: self._ring(ringing, trigger))
        self.stage.timers.set(due_at, ringing)

    def _ring(self, ringing: Happening, trigger: Deadline) -> None:
        aggregate: Any = self.database.find(trigger.kind, trigger.aggregate_id)
        if aggregate.due_at is None or aggregate.due_at > self.stage.now:
            self.stage.agenda.remove(ringing)
            return
        lane = self.group.lanes[self.stage.lane_of(aggregate.cart_id)]
        if lane.taken and lane.owner and self.commit(lane.owner, lane.number, [(None, trigger)]):
            self.stage.agenda.remove(ringing)
        else:
            lane.park(ringing)

    # --- notes

    def _note(self, fate: Fate, member: Member) -> None:
        self.stage.coverage.troubles[fate] += 1
        self.stage.tell(member.name, f"TROUBLE: {fate}")

    def _tell(self, member: Member, part: Part, trigger: Any, state: Any, own: Any, emitted: Sequence[Message]) -> None:
        after = getattr(own, "state", None)
        moved = f" {state or 'new'} → {after}" if after != state else f" stays {state}" if state else ""
        said = f", says {', '.join(type(message).__name__ for message in emitted)}" if emitted else ""
        about = getattr(trigger, "checkout_id", None) or getattr(trigger, "key", "") or getattr(trigger, "aggregate_id", "")
        self.stage.tell(member.name, f"{type(trigger).__name__} {about}: {part.name}{moved}{said}")
