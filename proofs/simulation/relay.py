"""From the outbox to the topics: in the order of the commits, each row until it is acknowledged, then deleted."""

from collections.abc import Sequence

from proofs.simulation.database import Database, Row
from proofs.simulation.environment import Environment
from proofs.simulation.partitions import Member, Partition
from proofs.simulation.watch import BrokenError


class Relay:
    """Publishes what one service has committed. ``away_until``: its processes do not reach the broker."""

    def __init__(self, name: str, env: Environment, database: Database) -> None:
        self._name, self._env, self._database = name, env, database
        self._last = [0] * len(database.epochs)
        self.away_until = env.now
        self.doubles = 0

    def hand_in(self, member: Member, rows: Sequence[Row]) -> None:
        """The rows of a commit: sent at once, as a rule, or a while later."""
        if not member.waiting and self._env.chance() < 0.6 and self.away_until <= self._env.now:
            for row in rows:
                self._send(row)
        else:
            for row in rows:
                self._database.outbox[row.partition].append(row)
            self.queue(member, rows)

    def queue(self, member: Member, rows: Sequence[Row]) -> None:
        """Rows that are in the outbox, to be sent by this member."""
        member.waiting.extend(rows)
        member.known.update(row.id for row in rows)
        self._env.ready.add(member.relaying)

    def sweep(self, member: Member, partition: Partition) -> None:
        """What is in the outbox for a partition, and this member has not in hand: left by a crash or by another member."""
        self.queue(member, [row for row in self._database.outbox[partition.number] if row.id not in member.known])

    def run(self, member: Member) -> None:
        """Send some of what waits."""
        if self.away_until > self._env.now:
            self._env.ready.remove(member.relaying)
            self._env.timers.set(self.away_until, member.relaying)
            return
        group = [member.waiting.popleft() for _ in range(min(len(member.waiting), 1 + int(self._env.chance() * 8)))]
        for row in group:
            self._send(row)
        if self.doubles and group:
            self.doubles -= 1
            self._env.note(self._name, f"{member.name} gets no answer from the broker and sends again")
            for row in group:
                self._send(row)
        self._forget(member, group)
        if not member.waiting:
            self._env.ready.remove(member.relaying)

    def send_and_die(self, member: Member, rows: Sequence[Row]) -> None:
        """All that waits and the rows of a last commit reach the topics, and nobody lives to delete them."""
        for row in (*member.waiting, *rows):
            self._send(row)

    def _forget(self, member: Member, group: Sequence[Row]) -> None:
        for row in group:
            member.known.discard(row.id)
            if row in self._database.outbox[row.partition]:
                self._database.outbox[row.partition].remove(row)

    def _send(self, row: Row) -> None:
        if not row.published:
            if row.id < self._last[row.partition]:
                raise BrokenError("outbox", f"{self._name}: {type(row.message).__name__}", "is overtaken by a later event")
            self._last[row.partition] = row.id
            row.published = True
        self._env.deliver(row)
