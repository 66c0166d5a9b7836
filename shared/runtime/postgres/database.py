"""Connections to PostgreSQL with time limits on everything, and what its errors mean."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncpg
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from shared.runtime.observability import metrics
from shared.settings import SettingsError

CONNECT_SECONDS: Final = 5
STATEMENT_SECONDS: Final = 20

SERVER_SETTINGS: Final = {
    "timezone": "UTC",
    "jit": "off",
    "application_name": "quadrille",
    "idle_in_transaction_session_timeout": str(3 * STATEMENT_SECONDS * 1000),
    "tcp_user_timeout": "10000",
}

_READ_ONLY: Final = "25006"
_NOT_ACCEPTING: Final = "55000"
"""What a database answers that takes no connections; of a statement it would mean something else."""
_RETRY: Final = ("40001", "40P01", "55P03")
_AWAY: Final = ("08", "53", "57", "58", "28", "3D")
"""SQLSTATE classes of a server that is not there, full, shutting down, broken, or not set up yet."""


async def open_connection(url: str, seconds: float | None = STATEMENT_SECONDS, **more: Any) -> Any:
    """A connection of asyncpg. Raises :class:`shared.settings.SettingsError` where the address is invalid."""
    limits = {"timeout": CONNECT_SECONDS, "command_timeout": seconds}
    try:
        return await asyncpg.connect(url, server_settings=SERVER_SETTINGS, **limits, **more)
    except asyncpg.exceptions.ClientConfigurationError as error:
        raise SettingsError(f"invalid database address: {error}") from None


def connect(url: str, *, pool: int = 4, seconds: float | None = STATEMENT_SECONDS) -> AsyncEngine:
    """An engine for an address of :meth:`shared.settings.Settings.database_url`; nothing is connected yet.

    ``seconds``: the longest a statement may take.
    """

    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=lambda: open_connection(url, seconds),
        pool_size=pool,
        max_overflow=2,
        pool_timeout=STATEMENT_SECONDS,
        pool_recycle=3600,
        hide_parameters=True,  # they would stand in every error, and so in the log
        json_serializer=json.dumps,
    )
    event.listen(engine.sync_engine, "before_cursor_execute", lambda *_: metrics.statements.inc())
    return engine


@asynccontextmanager
async def open_engine(url: str, *, pool: int = 4, seconds: float | None = STATEMENT_SECONDS) -> AsyncIterator[AsyncEngine]:
    """An engine as of :func:`connect`, whose connections are closed at the end."""
    engine = connect(url, pool=pool, seconds=seconds)
    try:
        yield engine
    finally:
        await engine.dispose()


def sqlstate(error: BaseException) -> str:
    """The SQLSTATE of an error, or an empty string."""
    origin = getattr(error, "orig", error)
    return str(getattr(origin, "sqlstate", None) or getattr(error.__cause__, "sqlstate", None) or "")


def is_away(error: BaseException) -> bool:
    """Whether the database, not the statement, is at fault: wait and try again."""
    if isinstance(error, ValueError):  # such as asyncpg's of a parameter that no column can hold, an InterfaceError too
        return False
    if isinstance(error, OSError | TimeoutError | asyncpg.InterfaceError | asyncpg.PostgresConnectionError):
        return True
    if isinstance(error, asyncpg.InternalClientError):  # the driver lost track, as it may when it is cut off in an answer
        return True
    if isinstance(error, DBAPIError) and (error.connection_invalidated or _is_broken(error)):
        return True
    state = sqlstate(error)
    if state == _NOT_ACCEPTING:
        return getattr(error, "statement", None) is None
    if state:
        return state == _READ_ONLY or state.startswith(_AWAY)
    return isinstance(error, InterfaceError | OperationalError)


def _is_broken(error: DBAPIError) -> bool:
    """Whether the driver lost track of the connection, as it may when it is cut in the middle of an answer."""
    return isinstance(getattr(error.orig, "__cause__", None), asyncpg.InternalClientError)


def is_conflict(error: BaseException) -> bool:
    """Whether the transaction only met another one (deadlock, serialization, lock): try again at once."""
    return sqlstate(error) in _RETRY
