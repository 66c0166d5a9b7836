"""What one look at a cluster finds: how far each group got in each partition it reads."""

from dataclasses import dataclass, field, replace

Place = tuple[str, int]
"""A topic, as it is named on the broker, and a partition."""
NEVER = -1
"""The lag of a partition the group never committed an offset for: not known, and left out of every sum."""


@dataclass(frozen=True, slots=True)
class Position:
    """How far a group got in one partition.

    ``current``: the offset committed last, the next record to be processed; nothing where the group never committed.
    ``end``: the offset the next record will get. ``stable``: the offset of the first record of an open transaction, which
    whoever reads committed records cannot pass; nothing where there is none. ``oldest``: the first offset that is still
    kept. ``age``: seconds since the oldest record not yet processed was written; nothing where that record cannot be read.
    ``assigned``: whether a member of the group has the partition; nothing where the broker does not say. ``marks``: offsets
    up to the end that are known to have none for anybody: behind the records of a transaction stands a mark, and those of
    an aborted one are void.
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
        """Records not yet processed, or :data:`NEVER`."""
        return NEVER if self.current is None else max(0, self.end - self.current - self.marks)

    @property
    def readable(self) -> int:
        """The part of the lag that no open transaction holds back, or :data:`NEVER`."""
        return self.lag if self.current is None or self.stable is None else max(0, self.stable - self.current - self.marks)


@dataclass(frozen=True, slots=True)
class OpenTransaction:
    """A transaction that holds a partition back from ``first_offset`` on.

    ``transactional_id``, ``started_at`` (seconds since 1970) and ``timeout`` (seconds after which the brokers end it) are
    missing where the brokers do not say.
    """

    producer_id: int
    first_offset: int
    transactional_id: str | None = None
    started_at: float | None = None
    timeout: float | None = None

    def at(self, first_offset: int) -> "OpenTransaction":
        """The same, where it holds another partition back."""
        return replace(self, first_offset=first_offset)


@dataclass(frozen=True, slots=True)
class HeldBack:
    """Records of a partition behind an open transaction. ``transaction`` is missing where no broker says whose it is."""

    first_offset: int
    records: int
    transaction: OpenTransaction | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """A consumer group. ``members`` is nothing where the broker does not say (groups of Kafka's newer protocol)."""

    name: str
    state: str
    members: int | None
    positions: dict[Place, Position]

    @property
    def lag(self) -> int:
        """The lag in all its partitions together; those it never committed for are left out."""
        return sum(position.lag for position in self.positions.values() if position.lag != NEVER)

    @property
    def age(self) -> float:
        """Seconds the record waiting longest has waited."""
        return max((position.age or 0.0 for position in self.positions.values()), default=0.0)

    @property
    def never_committed(self) -> list[Place]:
        """The partitions it reads and never committed an offset for."""
        return sorted(place for place, position in self.positions.items() if position.current is None)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A cluster at one moment. ``at``: seconds since 1970. ``ends`` and ``oldest``: of every partition looked at.

    ``held_back``: those with an open transaction. ``unread``: groups that could not be asked for, and why.
    """

    at: float
    groups: dict[str, Group]
    ends: dict[Place, int] = field(default_factory=dict)
    oldest: dict[Place, int] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)
    held_back: dict[Place, HeldBack] = field(default_factory=dict)
