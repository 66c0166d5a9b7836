"""A service's consumer group: partitions, how far they are read, and the processes they are assigned to."""

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from proofs.simulation.database import Row
from proofs.simulation.events import Event, ReadySet
from shared.contract.envelope import Envelope

Delivery = tuple[Envelope, Any]
"""A record as a service reads it: a message with its envelope, or what nobody can read."""


class Member:
    """A process of a service: all of this is lost when it dies.

    ``epochs``: the partitions it believes to own. ``waiting``: rows its relay has still to send; ``known``: those it need
    not look for in the outbox. ``asked``: the serial of the request it has made last, by checkout, until that is
    answered. ``inherited``: the same of requests that a former owner of their partition may have made.
    ``stale``: batches it had fetched when it was paused and lost their partitions. ``held``: what waits for it to resume.
    """

    __slots__ = (
        "alive",
        "asked",
        "epochs",
        "held",
        "inherited",
        "known",
        "name",
        "paused",
        "relaying",
        "resuming",
        "stale",
        "waiting",
    )

    def __init__(self, name: str, relay: Callable[["Member"], None], resume: Callable[["Member"], None]) -> None:
        self.name = name
        self.alive, self.paused = True, False
        self.epochs: dict[int, int] = {}
        self.waiting: deque[Row] = deque()
        self.known: set[int] = set()
        self.asked: dict[str, int] = {}
        self.inherited: dict[str, int] = {}
        self.stale: deque[tuple[int, list[Delivery]]] = deque()
        self.held: list[Event] = []
        self.relaying = Event(partial(relay, self))
        self.resuming = Event(partial(resume, self))

    @property
    def answers(self) -> bool:
        """Whether the group knows it to be there."""
        return self.alive and not self.paused


class Feed:
    """One partition of a topic, as one service reads it: the records of the types it reacts to.

    ``position``: the next to fetch. ``fetched``: batches that wait for their commit, each with the place of its first
    record. ``done``: how far the owner's commits got. ``committed``: the group's offset, from where the next owner
    reads. ``latest``: the last record whose first delivery is over.
    """

    __slots__ = ("committed", "done", "fetched", "latest", "partition", "polling", "position", "records", "stalled", "topic")

    def __init__(self, topic: str, partition: "Partition", poll: Callable[["Feed"], None]) -> None:
        self.topic, self.partition = topic, partition
        self.records: list[Delivery] = []
        self.position = self.done = self.committed = 0
        self.latest = -1
        self.fetched: deque[tuple[int, list[Delivery]]] = deque()
        self.stalled = False
        self.polling = Event(partial(poll, self))

    @property
    def waits(self) -> bool:
        """Whether there is something to fetch or to commit."""
        return bool(self.fetched) or self.position < len(self.records)

    def restart(self) -> None:
        """A new owner begins at the committed offset; what was fetched before is nothing to it."""
        self.position = self.done = self.committed
        self.fetched.clear()


class Partition:
    """The same partition of every topic a service reads. ``owner``: whom Kafka assigned it to.

    ``taken``: the owner has raised the epoch and may commit. ``parked``: what waits for that.
    """

    __slots__ = ("feeds", "number", "owner", "parked", "ready", "taken", "taking")

    def __init__(self, number: int, ready: ReadySet, take: Callable[["Partition"], None]) -> None:
        self.number, self.ready = number, ready
        self.feeds: list[Feed] = []
        self.owner: Member | None = None
        self.taken = False
        self.parked: list[Event] = []
        self.taking = Event(partial(take, self))

    def append(self, feed: Feed, delivery: Delivery) -> None:
        """A record arrives."""
        feed.records.append(delivery)
        if self.taken and feed.polling.place < 0 and not feed.stalled:
            self.ready.add(feed.polling)

    def open(self) -> None:
        """The owner may commit: everything that waits can happen."""
        self.taken = True
        for feed in self.feeds:
            self.look(feed)
        for event in self.parked:
            self.ready.add(event)
        self.parked.clear()

    def look(self, feed: Feed) -> None:
        """Poll the feed, or do not, as things stand."""
        if self.taken and feed.waits and not feed.stalled:
            self.ready.add(feed.polling)
        else:
            self.ready.remove(feed.polling)

    def shut(self) -> None:
        """Nobody may commit until it is taken (again)."""
        self.taken = False
        self.ready.remove(self.taking)
        for feed in self.feeds:
            if feed.polling.place >= 0:
                self.ready.remove(feed.polling)

    def park(self, event: Event) -> None:
        """Let something wait until the partition is taken."""
        self.ready.remove(event)
        self.parked.append(event)

    def assign(self, member: Member | None) -> None:
        """Kafka gives the partition to another member, or to none."""
        self.shut()
        self.owner = member
        for feed in self.feeds:
            feed.restart()
        if member is not None:
            self.ready.add(self.taking)
