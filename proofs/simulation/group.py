"""Who owns which partition: the group forms and forms anew, processes die, stop and come back."""

from collections.abc import Callable
from datetime import datetime

from proofs.simulation.database import Database
from proofs.simulation.environment import Environment
from proofs.simulation.events import Event
from proofs.simulation.partitions import Member, Partition
from proofs.simulation.relay import Relay


class ConsumerGroup:
    """The processes of one service and its partitions.

    ``resume`` is what a process does that was paused and has lost its partitions meanwhile. ``on_take`` is called with
    each partition that was taken. ``away_until``: no process reaches the database.
    """

    def __init__(
        self, name: str, env: Environment, database: Database, relay: Relay, members: int, resume: Callable[[Member], None]
    ) -> None:
        self._name, self._env, self._database, self._relay, self._resume = name, env, database, relay, resume
        self.partitions = [Partition(number, env.ready, self.take) for number in range(len(database.epochs))]
        self._born = 0
        self.members = [self._new() for _ in range(members)]
        self.on_take: Callable[[Member, Partition], None] | None = None
        self.away_until = self.down_until = env.now
        self.offsets_fail = False
        self._gathering = Event(self.gather)

    def begin(self) -> None:
        """The first members join, and own their partitions."""
        self._assign(self.members)
        for partition in self.partitions:
            self.take(partition)

    def gather(self) -> None:
        """The group forms anew, of those who live and answer. Some of the dead may take longer to come back."""
        if self.down_until > self._env.now:
            self._env.ready.remove(self._gathering)
            self._env.timers.set(self.down_until, self._gathering)
            return
        for number, member in enumerate(self.members):
            if not member.alive and (self._env.chance() < 0.5 or not any(m.answers for m in self.members)):
                self.members[number] = self._new()
        ready = [member for member in self.members if member.answers]
        if not ready:
            return  # all are paused: Kafka has nobody to ask
        self._env.note(self._name, f"the partitions go to {', '.join(member.name for member in ready)}")
        self._revoke()
        self._assign(ready)
        if all(member.alive for member in self.members):
            self._env.ready.remove(self._gathering)

    def rewind(self) -> None:
        """Somebody sets the group's offsets back to the beginning of the topics."""
        self.offsets_fail = True
        for partition in self.partitions:
            for feed in partition.feeds:
                feed.committed = 0
        self.gather()

    def _revoke(self) -> None:
        """Who answers commits its offsets and owns nothing; who is paused has fetched what it has fetched."""
        for partition in self.partitions:
            member = partition.owner
            if member is None:
                continue
            if member.paused:
                member.stale.extend((partition.number, batch) for feed in partition.feeds for _, batch in feed.fetched)
                continue
            for feed in partition.feeds:
                feed.committed = feed.committed if self.offsets_fail else feed.done
            member.epochs.pop(partition.number, None)
        self.offsets_fail = False

    def _assign(self, members: list[Member]) -> None:
        first = int(self._env.chance() * len(members))
        for partition in self.partitions:
            partition.assign(members[(first + partition.number) % len(members)])

    def take(self, partition: Partition) -> None:
        """The owner raises the epoch, and its relay gets what the former owner left, before any commit."""
        self._env.ready.remove(partition.taking)
        member = partition.owner
        if partition.taken or member is None or member.paused:
            return
        if self.away_until > self._env.now:
            self._env.timers.set(self.away_until, partition.taking)
            return
        self._database.epochs[partition.number] += 1
        member.epochs[partition.number] = self._database.epochs[partition.number]
        self._relay.sweep(member, partition)
        partition.open()
        if self.on_take:
            self.on_take(member, partition)

    def owns(self, member: Member, partition: int) -> bool:
        """What every commit checks: whether the member's epoch is the partition's."""
        return member.epochs.get(partition) == self._database.epochs[partition]

    def release(self, member: Member) -> None:
        """The member does not know what became of its commit: it takes its partitions anew before the next."""
        member.epochs.clear()
        for partition in self.partitions:
            if partition.owner is member:
                partition.shut()
                self._env.ready.add(partition.taking)

    def die(self, member: Member) -> None:
        """A process ends, wherever it is."""
        member.alive = False
        member.epochs.clear()
        member.waiting.clear()
        self._env.ready.remove(member.relaying)
        self._env.ready.remove(member.resuming)
        for partition in self.partitions:
            if partition.owner is member:
                partition.assign(None)
        self._env.ready.add(self._gathering)

    def go_down(self, until: datetime) -> None:
        """All processes end, and none comes back before that."""
        self.down_until = until
        for member in self.members:
            self.die(member)

    def pause(self, member: Member) -> None:
        """A process stops in the middle of what it does, and knows nothing of it; the group may notice at once or later."""
        member.paused = True
        self._env.ready.remove(member.relaying)
        for partition in self.partitions:
            if partition.owner is member:
                partition.shut()
        self._env.ready.add(member.resuming)
        if self._env.chance() < 0.5:
            self.gather()
        else:
            self._env.ready.add(self._gathering)

    def resume(self, member: Member) -> None:
        """It goes on where it was; where others own its partitions by now, ``resume`` says what that is."""
        mine = [partition for partition in self.partitions if partition.owner is member]
        if member.waiting:
            self._env.ready.add(member.relaying)
        if not mine and (member.epochs or member.stale):
            self._resume(member)
            return
        self._awake(member)
        for partition in mine:
            if partition.number in member.epochs:
                partition.open()
            else:
                self._env.ready.add(partition.taking)

    def fence(self, member: Member) -> None:
        """The member has learnt that others own its partitions: it drops what it has in hand and joins anew."""
        member.epochs.clear()
        member.stale.clear()
        self._awake(member)
        self._env.ready.add(self._gathering)

    def _awake(self, member: Member) -> None:
        member.paused = False
        self._env.ready.remove(member.resuming)
        for event in member.held:
            self._env.ready.add(event)
        member.held.clear()

    def _new(self) -> Member:
        self._born += 1
        return Member(f"{self._name}-{self._born}", self._relay.run, self.resume)
