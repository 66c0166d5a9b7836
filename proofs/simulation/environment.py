"""What all services share: the clock, the dice, the topics, and the notes of what happened."""

import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from proofs.simulation.coverage import Coverage
from proofs.simulation.database import Row
from proofs.simulation.events import ReadySet, Timers
from proofs.simulation.partitions import Feed
from proofs.simulation.timeline import Timeline
from proofs.simulation.watch import BrokenError
from shared.contract.message import Message


class Environment:
    """One world's clock, dice and topics.

    ``log``: every event that was committed.
    """

    def __init__(self, seed: int, partitions: int, coverage: Coverage, timeline: Timeline | None) -> None:
        self.dice = random.Random(seed)
        self.chance: Callable[[], float] = self.dice.random
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.ready, self.timers = ReadySet(), Timers()
        self._readers: list[dict[type[Message], list[Feed]]] = [{} for _ in range(partitions)]
        self.log: list[Any] = []
        self.coverage, self.timeline = coverage, timeline
        self._partitions = partitions
        self._partition_of: dict[str, int] = {}

    def partition_of(self, key: str) -> int:
        """The partition of a Kafka key: those of keys that turn up one after the other differ."""
        partition = self._partition_of.get(key)
        if partition is None:
            partition = self._partition_of[key] = len(self._partition_of) % self._partitions
        return partition

    def deliver(self, row: Row) -> None:
        """A record is appended to its topic, and so to the feeds of all who read it."""
        if not row.committed:
            raise BrokenError("outbox", row.envelope.id, "is published, and was never committed")
        for feed in self._readers[row.partition].get(type(row.message), ()):
            feed.partition.append(feed, (row.envelope, row.message))

    def subscribe(self, feed: Feed, kinds: Sequence[type[Message]]) -> None:
        """Let the feed have the records of these types in its partition."""
        for kind in kinds:
            self._readers[feed.partition.number].setdefault(kind, []).append(feed)

    def note(self, who: str, what: str) -> None:
        """Note something for the timeline, if one is kept."""
        if self.timeline is not None:
            self.timeline.add(self.now, who, what)
