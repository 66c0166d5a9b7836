"""A snapshot of a cluster: the offsets of each group in each partition it reads."""

from dataclasses import dataclass, field, replace

Place = tuple[str, int]
"""A topic, by its name on the broker, and a partition."""
NEVER = -1
"""The lag of a partition for which the group never committed: unknown, and left out of every sum."""


@dataclass(frozen=True, slots=True)
class Position:
    """The progress of a group in one partition.

    ``current``: the committed offset, the next record to process; None if the group never committed. ``end``: the offset of
    the next record. ``stable``: the offset of the first record of an open transaction, which consumers of committed records
    cannot pass; None if there is none. ``oldest``: the first retained offset. ``age``: seconds since the oldest unprocessed
    record was written; None if that record cannot be read. ``assigned``: whether a member of the group has the partition;
    None if the broker does not say. ``marks``: offsets up to the end without a record for consumers: markers of transactions
    and records of aborted ones.
    """

    current: int | None
    end: int
    oldest: int
    age: float | None = 0.0
    assigned: bool | None = True
    marks: int = 0
    stable: int | None = None

    @property
    def lag(self) -> int:
        """Unprocessed records, or :data:`NEVER`."""
        return NEVER if self.current is None else max(0, self.end - self.current - self.marks)

    @property
    def readable(self) -> int:
        """The part of the lag before an open transaction, or :data:`NEVER`."""
        return self.lag if self.current is None or self.stable is None else max(0, self.stable - self.current - self.marks)


@dataclass(frozen=True, slots=True)
class OpenTransaction:
    """A transaction that blocks a partition from ``first_offset`` on.

    ``transactional_id``, ``started_at`` (seconds since 1970) and ``timeout`` (seconds after which the brokers abort it) are
    None if the brokers do not say.
    """

    producer_id: int
    first_offset: int
    transactional_id: str | None = None
    started_at: float | None = None
    timeout: float | None = None

    def at(self, first_offset: int) -> "OpenTransaction":
        """The same transaction in another partition."""
        return replace(self, first_offset=first_offset)


@dataclass(frozen=True, slots=True)
class HeldBack:
    """Records of a partition behind an open transaction. ``transaction``: None if no broker says whose it is."""

    first_offset: int
    records: int
    transaction: OpenTransaction | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """A consumer group. ``members``: None if the broker does not say (groups of Kafka's newer protocol)."""

    name: str
    state: str
    members: int | None
    positions: dict[Place, Position]

    @property
    def lag(self) -> int:
        """The lag of all its partitions, without those it never committed for."""
        return sum(position.lag for position in self.positions.values() if position.lag != NEVER)

    @property
    def age(self) -> float:
        """Seconds since the oldest unprocessed record was written."""
        return max((position.age or 0.0 for position in self.positions.values()), default=0.0)

    @property
    def never_committed(self) -> list[Place]:
        """The partitions it reads but never committed for."""
        return sorted(place for place, position in self.positions.items() if position.current is None)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A cluster at one moment. ``at``: seconds since 1970. ``ends`` and ``oldest``: offsets of every chosen partition.

    ``held_back``: partitions with an open transaction. ``unread``: groups that could not be described, and why.
    """

    at: float
    groups: dict[str, Group]
    ends: dict[Place, int] = field(default_factory=dict)
    oldest: dict[Place, int] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)
    held_back: dict[Place, HeldBack] = field(default_factory=dict)
