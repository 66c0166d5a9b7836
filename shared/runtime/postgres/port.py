"""PostgreSQL as the engine's database."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

import asyncpg

from shared.runtime.database import Backlog, Batch, Changes, ConflictError, Loaded, OutboxRow, Receipt, Seen
from shared.runtime.postgres import commit, inbox, outbox, ownership
from shared.runtime.postgres.database import open_connection
from shared.runtime.postgres.session import Session, Sessions
from shared.runtime.postgres.store import Store
from shared.runtime.records import Outgoing

A = TypeVar("A")
CLOCK_SECONDS: Final = 10.0
"""For so long two clocks run alike."""
LISTEN_SECONDS: Final = 1.0
"""How long after the connection is lost that was listening another is tried."""


class _Reads:
    """Reads over one connection."""

    def __init__(self, session: Session) -> None:
        self.session = session

    async def load(self, store: Store[A], ids: Iterable[str], *, lock: bool) -> dict[str, Loaded[A]]:
        """Those that exist, by id; locked in the order of their ids where ``lock``."""
        rows = await self.session.fetch(store.lock if lock else store.read, sorted(ids))
        return {row["id"]: store.from_row(row, lock=lock) for row in rows}

    async def search(self, store: Store[Any], name: str, parameters: Mapping[str, Any], known: Sequence[str]) -> list[str]:
        """The ids that a search finds, but for those that are known."""
        statement, names = store.searches[name]
        given = {**parameters, "known": list(known)}
        return [row[0] for row in await self.session.fetch(statement, *(given[name] for name in names))]


class PostgresTransaction(_Reads):
    """A transaction that is open. ``session``: for statements beside the engine's own."""

    async def check(self, epochs: Mapping[int, int]) -> tuple[datetime, dict[int, int]]:
        """Make sure these epochs hold until the commit."""
        return await ownership.check(self.session, epochs)

    async def visit(self, partitions: Iterable[int]) -> datetime:
        """Commit beside the owners of these partitions."""
        return await ownership.visit(self.session, partitions)

    async def remember(self, seen: Sequence[Seen]) -> set[tuple[str, str]]:
        """Remember these; returns the names of those that are new."""
        return await inbox.insert(self.session, seen)

    async def digests(self, names: Collection[tuple[str, str]]) -> dict[tuple[str, str], bytes]:
        """The digests of what is remembered."""
        return await inbox.digests(self.session, names)

    async def save(self, changes: Changes) -> None:
        """Write what changed. Raises :class:`shared.runtime.database.ConflictError`."""
        if changes.rows:
            written = await self.session.fetch(changes.store.upsert("$1"), f"[{b','.join(changes.rows).decode()}]")
            if len(written) != len(changes.rows):
                raise ConflictError(f"another commit changed {changes.store.table.name} meanwhile")

    async def postpone(self, store: Store[Any], aggregate_id: str, due_at: datetime) -> None:
        """Move a timer that is due."""
        await self.session.fetch(store.postpone, aggregate_id, due_at)

    async def send(self, records: Sequence[Outgoing]) -> list[OutboxRow]:
        """Write records to the outbox in their order."""
        return await outbox.insert(self.session, records) if records else []


class PostgresDatabase:
    """The database at an address of :meth:`shared.settings.Settings.database_url`; nothing is connected yet.

    Its methods are those of :class:`shared.runtime.database.Database`, and raise what that says.
    """

    def __init__(self, url: str) -> None:
        self._url, self._sessions = url, Sessions(url)
        self._clock: tuple[datetime, float] | None = None

    async def close(self) -> None:
        """Close the connections."""
        await self._sessions.close()

    async def load(self, store: Store[A], ids: Iterable[str], *, lock: bool) -> dict[str, Loaded[A]]:
        """Those that exist, by id; none is locked."""
        async with self._sessions.session() as session:
            rows = await session.fetch(store.read, sorted(ids))
        return {row["id"]: store.from_row(row, lock=lock) for row in rows}

    async def search(self, store: Store[Any], name: str, parameters: Mapping[str, Any], known: Sequence[str]) -> list[str]:
        """The ids that a search finds, but for those that are known."""
        async with self._sessions.session() as session:
            return await _Reads(session).search(store, name, parameters, known)

    async def now(self) -> datetime:
        """The database's clock. It is asked for where no commit and no look for timers has told it of late."""
        if self._clock is None or time.monotonic() - self._clock[1] > CLOCK_SECONDS:
            async with self._sessions.session() as session:
                (row,) = await session.fetch("SELECT clock_timestamp() AS now")
            self._clock = row["now"], time.monotonic()
        told, at = self._clock
        return told + timedelta(seconds=time.monotonic() - at)

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[PostgresTransaction]:
        """A transaction, committed at its end."""
        async with self._sessions.session() as session, session.transaction():
            yield PostgresTransaction(session)

    async def commit(self, batch: Batch) -> Receipt:
        """Write a batch with one statement, or nothing of it."""
        async with self._sessions.session() as session:
            receipt, now = await commit.commit(session, batch)
        self._clock = now, time.monotonic()
        return receipt

    async def take(self, partitions: Iterable[int], owner: str) -> dict[int, int]:
        """Own these partitions from now on; returns the epoch of each."""
        async with self._sessions.session() as session:
            return await ownership.take(session, partitions, owner)

    async def listen(self, visited: Callable[[], None]) -> None:
        """Call ``visited`` when somebody has committed beside an owner, and after each gap in listening, until cancelled."""
        while True:
            with contextlib.suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
                connection = await open_connection(self._url)
                try:
                    lost = asyncio.Event()
                    connection.add_termination_listener(lambda _, lost=lost: lost.set())
                    await connection.add_listener(ownership.VISITED, lambda *_: visited())
                    visited()
                    await lost.wait()
                finally:
                    connection.terminate()
            await asyncio.sleep(LISTEN_SECONDS)

    async def due(
        self, stores: Sequence[Store[Any]], partitions: Iterable[int], limit: int
    ) -> list[tuple[Store[Any], str, int]]:
        """The aggregates whose timer is due, the longest waiting first: store, id, partition."""
        found = " UNION ALL ".join(f"SELECT {n} AS store, * FROM ({store.due}) AS s{n}" for n, store in enumerate(stores))
        wanted = (
            f"/* timers due */ SELECT clock_timestamp() AS now, due.* FROM (VALUES (1)) AS always"
            f" LEFT JOIN ({found} ORDER BY due_at LIMIT $2::int) AS due ON true ORDER BY due_at"
        )
        async with self._sessions.session() as session:
            rows = await session.fetch(wanted, sorted(partitions), limit)
        self._clock = rows[0]["now"], time.monotonic()
        return [(stores[row["store"]], row["id"], row["partition"]) for row in rows if row["id"] is not None]

    async def pending(
        self, partitions: Iterable[int], known: Iterable[int], limit: int, limit_bytes: int, refusing: Iterable[str] = ()
    ) -> tuple[list[OutboxRow], bool]:
        """What is committed for these partitions and not in ``known``, and whether there is more of it."""
        async with self._sessions.session() as session:
            return await outbox.pending(session, partitions, known, limit, limit_bytes, refusing)

    async def first_pending(self, partitions: Iterable[int], known: Iterable[int], topic: str) -> OutboxRow | None:
        """The row of a topic that was committed first for these partitions, and is not in ``known``."""
        async with self._sessions.session() as session:
            return await outbox.first(session, partitions, known, topic)

    async def delete(self, ids: Sequence[int]) -> None:
        """Forget rows the broker has acknowledged."""
        async with self._sessions.session() as session:
            await outbox.delete(session, ids)

    async def quarantine(self, row_id: int, why: str) -> None:
        """Keep a row that cannot be sent, out of the way of the others."""
        async with self._sessions.session() as session:
            await outbox.quarantine(session, row_id, why)

    async def backlog(self) -> Backlog:
        """What waits now, of all partitions."""
        async with self._sessions.session() as session:
            return await outbox.backlog(session)

    async def prune(self) -> bool:
        """Forget some of the messages that no topic has any more; returns whether there may be more of them."""
        async with self._sessions.session() as session:
            return await inbox.prune(session)
