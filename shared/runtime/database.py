"""The database as the engine sees it: a port. PostgreSQL is one implementation of it.

A batch is committed in one of two ways. :meth:`Database.commit` is one statement that writes everything or raises: it is
enough where nothing is contended. A :class:`Transaction` locks what it reads, and is for everything else.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Protocol, TypeVar

from shared.runtime.records import Outgoing

if TYPE_CHECKING:
    from shared.runtime.postgres.store import Store

A = TypeVar("A")


class DatabaseError(Exception):
    """The database refused a statement."""


class DatabaseAwayError(DatabaseError):
    """The database cannot be reached or takes no writes: wait and hand the same batch in again."""


class ConflictError(DatabaseError):
    """Another commit came between: the batch is tried again, with locks."""


class RepeatedError(ConflictError):
    """A message of the batch was handled before."""


class FencedError(Exception):
    """Another member owns a partition of this batch by now: this one must join the group anew."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The story an aggregate belongs to, handed on to what its timer causes."""

    correlation_id: str
    traceparent: str | None = None


@dataclass(slots=True)
class Loaded(Generic[A]):
    """An aggregate in a batch: as it was when loaded (``before``), its version, and the story it belonged to then.

    ``touched``: the story of what has touched it in this batch.
    """

    aggregate: A
    version: int
    before: bytes
    origin: Origin | None = None
    touched: Origin | None = None

    @property
    def story(self) -> Origin | None:
        """What it belongs to now."""
        return self.touched or self.origin


class Seen(NamedTuple):
    """A message that was seen. ``digest``: of its content, where that is known."""

    source: str
    id: str
    digest: bytes | None = None

    @property
    def name(self) -> tuple[str, str]:
        """What it is known by."""
        return self.source, self.id


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """A record that is committed. Ids of one partition are in the order of the commits."""

    id: int
    record: Outgoing


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits to be published: how many records, the oldest for how many seconds, and how many are quarantined."""

    depth: int
    age: float
    quarantined: int


@dataclass(slots=True)
class Changes:
    """What a batch made of the aggregates of one store.

    ``changed``: with what each is now (``bodies``) and the row of it (``rows``); ``same``: as they were loaded.
    """

    store: "Store[Any]"
    changed: list[Loaded[Any]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    rows: list[bytes] = field(default_factory=list)
    same: list[Loaded[Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Batch:
    """All that a batch writes. ``epochs``: of the partitions its inputs came from, as given when they were taken."""

    epochs: Mapping[int, int]
    seen: Sequence[Seen]
    changes: Sequence[Changes]
    outgoing: Sequence[Outgoing]


@dataclass(frozen=True, slots=True)
class Receipt:
    """A batch is committed. ``visits``: how often others have committed beside the owner, by partition."""

    rows: list[OutboxRow]
    visits: dict[int, int]


class Reader(Protocol):
    """Reads aggregates. Raises :class:`DatabaseError`."""

    async def load(self, store: "Store[A]", ids: Iterable[str], *, lock: bool) -> dict[str, Loaded[A]]:
        """Those that exist, by id. ``lock``: a reaction may change them."""
        ...

    async def search(self, store: "Store[Any]", name: str, parameters: Mapping[str, Any], known: Sequence[str]) -> list[str]:
        """The ids that a search of the store finds, but for those that are known."""
        ...


class Transaction(Reader, Protocol):
    """A transaction with locks. Raises :class:`DatabaseError`; then nothing of it is kept."""

    async def check(self, epochs: Mapping[int, int]) -> tuple[datetime, dict[int, int]]:
        """Make sure these epochs hold until the commit; returns the database's clock and the visits to each partition.

        Raises :class:`FencedError`.
        """
        ...

    async def visit(self, partitions: Iterable[int]) -> datetime:
        """Commit beside the owners of these partitions; returns the database's clock."""
        ...

    async def remember(self, seen: Sequence[Seen]) -> set[tuple[str, str]]:
        """Remember these; returns the names of those that are new. Of several with one name the first counts."""
        ...

    async def digests(self, names: Collection[tuple[str, str]]) -> dict[tuple[str, str], bytes]:
        """The digests of what is remembered, by name; an older version kept none."""
        ...

    async def save(self, changes: Changes) -> None:
        """Write what changed. Raises :class:`ConflictError`."""
        ...

    async def postpone(self, store: "Store[Any]", aggregate_id: str, due_at: datetime) -> None:
        """Move a timer that is due, beyond the reactions' own rules: the one it was for failed."""
        ...

    async def send(self, records: Sequence[Outgoing]) -> list[OutboxRow]:
        """Write records to the outbox in their order, and return them with their ids."""
        ...


class Database(Reader, Protocol):
    """One service's database; it reads what is committed, without locks. Raises :class:`DatabaseError`."""

    async def now(self) -> datetime:
        """The database's clock."""
        ...

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """A transaction, committed at its end."""
        ...

    async def commit(self, batch: Batch) -> Receipt:
        """Write a batch with one statement, or nothing of it.

        Raises :class:`FencedError`, and :class:`ConflictError` where a message was handled before or an aggregate is not
        as it was loaded.
        """
        ...

    async def take(self, partitions: Iterable[int], owner: str) -> dict[int, int]:
        """Own these partitions from now on; returns the epoch of each."""
        ...

    async def listen(self, visited: Callable[[], None]) -> None:
        """Call ``visited`` when somebody has committed beside an owner, until cancelled. Raises nothing."""
        ...

    async def due(
        self, stores: Sequence["Store[Any]"], partitions: Iterable[int], limit: int
    ) -> list[tuple["Store[Any]", str, int]]:
        """The aggregates whose timer is due, the longest waiting first: store, id, partition."""
        ...

    async def pending(
        self, partitions: Iterable[int], known: Iterable[int], limit: int, limit_bytes: int, refusing: Iterable[str]
    ) -> tuple[list[OutboxRow], bool]:
        """What is committed for these partitions and not in ``known``, in the order of ids; and whether there is more of it.

        No row is added to so many, or to so many bytes. Topics that are ``refusing`` are left out.
        """
        ...

    async def first_pending(self, partitions: Iterable[int], known: Iterable[int], topic: str) -> OutboxRow | None:
        """The row of a topic that was committed first for these partitions, and is not in ``known``."""
        ...

    async def delete(self, ids: Sequence[int]) -> None:
        """Forget rows the broker has acknowledged. Need not be durable: a row that comes back is sent twice, with one id."""
        ...

    async def quarantine(self, row_id: int, why: str) -> None:
        """Keep a row that cannot be sent, out of the way of the others."""
        ...

    async def backlog(self) -> Backlog:
        """What waits now, of all partitions."""
        ...

    async def prune(self) -> bool:
        """Forget some of the messages that no topic has any more; returns whether there may be more of them."""
        ...
