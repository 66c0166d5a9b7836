"""A database and a role of its own for every service, on any PostgreSQL server."""

import asyncio
from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import asyncpg

from shared.contract.services import DATABASES
from shared.settings import PREFIX


def create(admin_url: str, prefix: str, passwords: Mapping[str, str], names: Sequence[str] = DATABASES) -> dict[str, str]:
    """Make sure of a role and a database ``{prefix}_{name}`` for each name, which no other role may enter.

    Returns the settings that name them. May be repeated; a role takes the password given last.
    """
    return asyncio.run(acreate(admin_url, prefix, passwords, names))


async def acreate(
    admin_url: str, prefix: str, passwords: Mapping[str, str], names: Sequence[str] = DATABASES
) -> dict[str, str]:
    """As :func:`create`, in a running event loop."""
    connection = await asyncpg.connect(admin_url, timeout=10)
    try:
        for name in names:
            await _create(connection, f"{prefix}_{name}", passwords[name])
    finally:
        await connection.close()
    return {f"{PREFIX}{name.upper()}_DATABASE_URL": _url(admin_url, f"{prefix}_{name}", passwords[name]) for name in names}


async def _create(connection: asyncpg.Connection, name: str, password: str) -> None:
    verb = "ALTER" if await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", name) else "CREATE"
    await connection.execute(f"{verb} ROLE {_quoted(name)} LOGIN PASSWORD '{password.replace(chr(39), chr(39) * 2)}'")
    if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
        await connection.execute(f"CREATE DATABASE {_quoted(name)} OWNER {_quoted(name)}")
    await connection.execute(f"REVOKE ALL ON DATABASE {_quoted(name)} FROM PUBLIC")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _url(admin_url: str, name: str, password: str) -> str:
    """The address of a role's own database, reached as the administrator's is."""
    parts = urlsplit(admin_url)
    where = parts.netloc.rpartition("@")[2]
    role = f"{quote(name, safe='')}:{quote(password, safe='')}"
    query = urlencode([(key, value) for key, value in parse_qsl(parts.query) if key not in ("user", "password", "dbname")])
    return urlunsplit(("postgresql", f"{role}@{where}", f"/{quote(name, safe='')}", query, ""))
