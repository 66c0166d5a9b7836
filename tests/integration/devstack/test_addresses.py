"""Every kind of address reaches a real server: by both drivers, with TLS and by a Unix socket, and with migrations."""

import asyncio
import contextlib
import shutil
import ssl
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest
import pytest_asyncio
from sqlalchemy import text

from cli.processes import Child
from devstack import databases, postgres
from devstack.ports import free_port
from devstack.postgres import Postgres
from services.journal import migrations as journal_migrations
from services.journal import queries
from shared.runtime.postgres import migrations
from shared.runtime.postgres.database import connect
from shared.settings import SettingsError, load

OPENSSL = shutil.which("openssl")
PASSWORD = "pass word/@"
SSL_REQUEST = (8).to_bytes(4, "big") + (80877103).to_bytes(4, "big")
"""What a client of PostgreSQL sends first where it wants to speak TLS."""


@dataclass
class Server:
    """A server that has a socket. ``journal``: the address of a role's own database there, by TCP."""

    admin_url: str
    port: int
    sockets: Path
    journal: str = ""


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("postgres")
    with tempfile.TemporaryDirectory(prefix="q") as sockets, pytest.MonkeyPatch.context() as patch:
        Path(sockets).chmod(0o777)
        patch.setitem(postgres.SETTINGS, "unix_socket_directories", sockets)
        port, children = free_port(), list[Child]()
        server = Postgres(folder / "cluster", folder / "log", PASSWORD)
        try:
            server.start(port, children.append)
            yield Server(server.url(port), port, Path(sockets))
        finally:
            for child in children:
                Postgres.stop(child)
            Postgres.remove(folder / "cluster")


@pytest_asyncio.fixture(scope="module")
async def server(started: Server) -> AsyncIterator[Server]:
    """With a database of its own, whose role has a password that an address does not take as it is."""
    (started.journal,) = (await databases.acreate(started.admin_url, "q", {"journal": PASSWORD}, ["journal"])).values()
    yield started


@dataclass
class Tls:
    """What speaks TLS before the server, whose build knows none. ``encrypted``: of each connection, whether it was."""

    server: Server
    port: int
    authority: Path
    encrypted: list[bool]

    def address(self, url: str, query: str) -> str:
        """An address of the server's, by this way."""
        return f"{url.replace(f':{self.server.port}/', f':{self.port}/')}?{query}"


@pytest_asyncio.fixture
async def tls(server: Server, tmp_path: Path) -> AsyncIterator[Tls]:
    if not OPENSSL:
        pytest.skip("openssl makes the certificate")
    key, authority = str(tmp_path / "key.pem"), str(tmp_path / "ca.pem")
    made = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", key, "-out", authority]
    named = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    openssl = await asyncio.create_subprocess_exec(OPENSSL, *made, *named, stderr=asyncio.subprocess.DEVNULL)
    assert await openssl.wait() == 0
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(authority, key)
    encrypted: list[bool] = []

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, to_there = await asyncio.open_connection("127.0.0.1", server.port)
        first = await reader.readexactly(8)
        encrypted.append(first == SSL_REQUEST)
        if encrypted[-1]:
            writer.write(b"S")
            await writer.start_tls(context)
        else:
            to_there.write(first)
        await asyncio.gather(_pass_on(reader, to_there), _pass_on(there, writer))

    proxy = await asyncio.start_server(connected, "127.0.0.1", 0)
    yield Tls(server, proxy.sockets[0].getsockname()[1], Path(authority), encrypted)
    proxy.close()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while some := await reader.read(65_536):
            writer.write(some)
            await writer.drain()
    writer.close()


async def by_both(address: str, question: str) -> list[object]:
    """What the database answers, asked by SQLAlchemy and by asyncpg alone."""
    url = load({"QUADRILLE_JOURNAL_DATABASE_URL": address}).database_url("journal")
    engine = connect(url)
    try:
        async with engine.connect() as connection:
            answers = [(await connection.execute(text(question))).scalar_one()]
    finally:
        await engine.dispose()
    plain = await queries.connect(url)
    try:
        return [*answers, await plain.fetchval(question)]
    finally:
        await plain.close()


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg"])
async def test_every_name_of_the_scheme_is_taken(server: Server, scheme: str) -> None:
    address = f"{scheme}{server.journal.removeprefix('postgresql')}"
    assert await by_both(address, "SELECT current_user") == ["q_journal"] * 2


async def test_a_unix_socket_is_reached(server: Server) -> None:
    role = server.journal.split("@")[0]
    for where in (
        f"/q_journal?host={server.sockets}&port={server.port}",
        f"{quote(str(server.sockets), safe='')}:{server.port}/q_journal",
    ):
        assert await by_both(f"{role}@{where}", "SELECT inet_client_addr()") == [None] * 2


async def test_a_connection_is_encrypted_where_that_is_asked_for(tls: Tls) -> None:
    for query in ("sslmode=require", f"sslmode=verify-full&sslrootcert={tls.authority}"):
        assert await by_both(tls.address(tls.server.journal, query), "SELECT 1") == [1, 1]
    assert tls.encrypted == [True] * 4
    await by_both(tls.address(tls.server.journal, "sslmode=disable"), "SELECT 1")
    assert tls.encrypted == [True] * 4 + [False] * 2


async def test_migrations_and_databases_go_the_same_way(tls: Tls) -> None:
    admin = tls.address(tls.server.admin_url, "sslmode=require").replace("postgresql://", "postgres://")
    (url,) = (await databases.acreate(admin, "other", {"journal": "x"}, ["journal"])).values()
    await migrations.upgrade(url, journal_migrations)
    await migrations.check(url, "journal", journal_migrations)
    assert await by_both(url, "SELECT count(*) FROM entries") == [0, 0]
    assert tls.encrypted == [True] * 5


async def test_an_address_the_driver_refuses_is_no_server_that_is_away(server: Server) -> None:
    with pytest.raises(SettingsError, match="invalid database address"):
        await by_both(f"{server.journal}?target_session_attrs=anything", "SELECT 1")
