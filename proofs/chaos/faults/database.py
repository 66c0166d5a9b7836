"""A database that crashes, loses its connections, takes no writes, or has no room."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from typing import Final

import asyncpg

from proofs.background import background
from proofs.chaos.faults.broker import full_disk
from proofs.chaos.faults.kinds import Begin
from proofs.chaos.schedule import Kind
from proofs.chaos.world import World

FAMILY: Final = "database"
TARGET: Final = ("database",)
CUT: Final = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename <> current_user AND datname <> ''"
CUT_SECONDS: Final = 1.0
"""Between two cuts of all connections."""
ADMIN_SECONDS, TRY_SECONDS, PAUSE_SECONDS = 60.0, 10.0, 0.2
"""The longest that what we do as the administrator may take, each try of it, and between two."""


def kinds(world: World) -> dict[Kind, Begin]:
    """The kinds of this family."""
    found: dict[Kind, Begin] = {
        Kind(FAMILY, "immediate shutdown of the database", TARGET, (2.0, 8.0)): crash,
        Kind(FAMILY, "connections of the database cut", TARGET, (3.0, 6.0)): cut,
        Kind(FAMILY, "database gone read-only", TARGET, (5.0, 10.0)): read_only,
    }
    if world.database.disk.real:
        found[Kind(FAMILY, "full disk of the database", TARGET, (6.0, 10.0))] = full
    return found


@contextlib.asynccontextmanager
async def crash(world: World, _: str) -> AsyncIterator[None]:
    """The server ends without a checkpoint (``pg_ctl stop -m immediate``) and recovers from its log."""
    await world.database.stop(signal.SIGQUIT)
    try:
        yield
    finally:
        await world.database.start()


@contextlib.asynccontextmanager
async def cut(world: World, _: str) -> AsyncIterator[None]:
    """Every connection is terminated, again and again."""

    async def cutting() -> None:
        while True:
            await _as_admin(world, CUT)
            await asyncio.sleep(CUT_SECONDS)

    async with background(cutting()):
        yield


@contextlib.asynccontextmanager
async def read_only(world: World, _: str) -> AsyncIterator[None]:
    """Every transaction is read-only, as on a server that was demoted."""
    await _as_admin(world, "ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()")
    try:
        yield
    finally:
        await _as_admin(world, "ALTER SYSTEM RESET default_transaction_read_only", "SELECT pg_reload_conf()")


@contextlib.asynccontextmanager
async def full(world: World, _: str) -> AsyncIterator[None]:
    """There is no room on the database's disk. It is started again where it ended because of that."""
    async with full_disk(world.database):
        yield


async def _as_admin(world: World, *statements: str) -> None:
    """Do this as the administrator; on a busy machine that may take more than one try."""
    async with asyncio.timeout(ADMIN_SECONDS):
        while True:
            with contextlib.suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                connection = await asyncpg.connect(world.database.admin_url, timeout=TRY_SECONDS)
                try:
                    for statement in statements:
                        await connection.execute(statement, timeout=TRY_SECONDS)
                finally:
                    connection.terminate()
                return
            await asyncio.sleep(PAUSE_SECONDS)
