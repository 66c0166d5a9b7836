"""A database that is away for whoever uses it, while the server is there for the others."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from tests.support.stacks import Stack

CUT_OTHERS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()"
)
"""Cuts all other connections of the same user; a worker that vacuums has none, and is not ours to end."""


@asynccontextmanager
async def away(stack: Stack, url: str) -> AsyncIterator[None]:
    """It lets nobody in for so long, and who was in is out."""
    database = url.rpartition("/")[2]
    admin = await asyncpg.connect(stack.admin_url)
    try:
        await admin.execute(f"ALTER DATABASE {database} ALLOW_CONNECTIONS false")
        await admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", database)
        yield
    finally:
        await admin.execute(f"ALTER DATABASE {database} ALLOW_CONNECTIONS true")
        await admin.close()
