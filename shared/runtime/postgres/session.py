"""A connection of the engine to its database: every statement passes here, and every error is one of the port's."""

import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

import asyncpg

from shared.runtime.database import ConflictError, DatabaseAwayError, DatabaseError, FencedError, RepeatedError
from shared.runtime.observability import metrics
from shared.runtime.postgres.database import STATEMENT_SECONDS, is_away, is_conflict, open_connection, sqlstate

CONNECTIONS: Final = 6
IDLE_SECONDS: Final = 3600
REFUSED: Final = "QD001"
"""The SQLSTATE of what the function ``refuse`` raises (:mod:`shared.runtime.postgres.first_tables`)."""
FENCED, REPEATED = "fenced", "handled before"
_REFUSALS: Final = {FENCED: FencedError, REPEATED: RepeatedError}


class Session:
    """A connection. Parameters are numbered from ``$1``."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def fetch(self, statement: str, *parameters: Any) -> list[Any]:
        """The rows of a statement. Raises what asyncpg raises."""
        metrics.statements.inc()
        rows: list[Any] = await self._connection.fetch(statement, *parameters)
        return rows

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """A transaction, committed at its end."""
        async with self._connection.transaction():
            yield


class Sessions:
    """Connections to one database, opened when they are needed."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._pool: Any = None

    @contextlib.asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """A connection for a while. Raises :class:`shared.runtime.database.DatabaseError`."""
        with _translated():
            if self._pool is None:
                self._pool = asyncpg.create_pool(
                    min_size=0,
                    max_size=CONNECTIONS,
                    max_inactive_connection_lifetime=IDLE_SECONDS,
                    connect=lambda *_, **more: open_connection(self._url, **more),
                    reset=_keep,
                )
            await self._pool  # has no effect but the first time, when nothing is connected yet
            async with self._pool.acquire(timeout=STATEMENT_SECONDS) as connection:
                yield Session(connection)

    async def close(self) -> None:
        """Close the connections."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.terminate()


async def _keep(connection: Any) -> None:
    """Nothing is set on a connection that the next user must not find: to reset it would be a round trip."""


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError) as error:
        if sqlstate(error) == REFUSED:
            raise _REFUSALS.get(str(error), ConflictError)(str(error)) from error
        said = f"{type(error).__name__}: {error}"
        if is_conflict(error):
            raise ConflictError(said) from error
        raise (DatabaseAwayError if is_away(error) else DatabaseError)(said) from error
