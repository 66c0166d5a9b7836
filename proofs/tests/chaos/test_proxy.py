"""The proxy between a client and a server: what each fault does to what passes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from proofs.chaos.proxy import DELAY_SECONDS, TRICKLE_BYTES, TRICKLE_SECONDS, NetworkFault, Proxy

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Echo:
    """A server that answers with what it is asked. ``asked``: all that arrived."""

    def __init__(self) -> None:
        self.asked = b""
        self.news = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                self.asked += data
                self.news.set()
                writer.write(data)
        writer.close()


@pytest_asyncio.fixture
async def echo() -> AsyncIterator[tuple[Echo, Proxy]]:
    made = Echo()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    proxy = Proxy(server.sockets[0].getsockname()[1])
    await proxy.start()
    yield made, proxy
    await proxy.stop()
    server.close()
    await server.wait_closed()


@contextlib.asynccontextmanager
async def opened(proxy: Proxy) -> AsyncIterator[Connection]:
    connection = await asyncio.open_connection("127.0.0.1", proxy.port)
    yield connection
    connection[1].close()
    with contextlib.suppress(ConnectionError):
        await connection[1].wait_closed()


@contextlib.asynccontextmanager
async def connected(proxy: Proxy) -> AsyncIterator[Connection]:
    async with opened(proxy) as connection:
        assert await ask(connection, b"hello") == b"hello"
        yield connection


async def ask(connection: Connection, words: bytes) -> bytes:
    connection[1].write(words)
    async with asyncio.timeout(10):
        return await connection[0].readexactly(len(words))


async def test_a_cut_resets_connections_and_refuses_new_ones_until_it_heals(echo: tuple[Echo, Proxy]) -> None:
    _, proxy = echo
    async with connected(proxy) as (reader, _):
        proxy.set_fault(NetworkFault.CUT)
        with pytest.raises(ConnectionResetError):
            await reader.read()
    async with opened(proxy) as (reader, _):
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
    proxy.set_fault(NetworkFault.NONE)
    async with connected(proxy):
        pass


async def test_a_half_open_connection_takes_requests_and_keeps_the_answers(echo: tuple[Echo, Proxy]) -> None:
    server, proxy = echo
    async with connected(proxy) as connection:
        proxy.set_fault(NetworkFault.HALF_OPEN)
        server.news.clear()
        asking = asyncio.create_task(ask(connection, b"are you there?"))
        await server.news.wait()
        assert server.asked.endswith(b"are you there?")
        assert not asking.done()
        proxy.set_fault(NetworkFault.NONE)
        assert await asking == b"are you there?"


async def test_a_stalled_connection_passes_nothing_until_it_heals(echo: tuple[Echo, Proxy]) -> None:
    server, proxy = echo
    async with connected(proxy) as connection:
        proxy.set_fault(NetworkFault.STALL)
        asking = asyncio.create_task(ask(connection, b"are you there?"))
        await asyncio.sleep(0)
        async with opened(proxy):  # a whole turn of the network later
            assert server.asked == b"hello"
        proxy.set_fault(NetworkFault.NONE)
        assert await asking == b"are you there?"


@pytest.mark.parametrize(
    ("fault", "size", "seconds"),
    [(NetworkFault.DELAY, 10, 2 * DELAY_SECONDS), (NetworkFault.TRICKLE, 4 * TRICKLE_BYTES, 3 * TRICKLE_SECONDS)],
)
async def test_what_is_slow_arrives_whole(echo: tuple[Echo, Proxy], fault: NetworkFault, size: int, seconds: float) -> None:
    _, proxy = echo
    async with connected(proxy) as connection:
        proxy.set_fault(fault)
        started, words = asyncio.get_running_loop().time(), b"x" * size
        assert await ask(connection, words) == words
        assert asyncio.get_running_loop().time() - started >= seconds
