"""A network that can be bad: a TCP proxy between one client and one server."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from enum import Enum
from typing import Final

from shared.timeouts import wait_for_event

CHUNK: Final = 65_536
DELAY_SECONDS: Final = 0.4
"""What a delayed chunk waits: a bad mobile line, each way."""
TRICKLE_BYTES, TRICKLE_SECONDS = 512, 0.1
NO_FAREWELL: Final = struct.pack("ii", 1, 0)
"""A connection that ends is reset (RST), as where a cable is cut or a firewall forgets it."""


class NetworkFault(Enum):
    """What a bad network does to what passes."""

    NONE = "none"
    CUT = "cut"
    """Connections are reset, and new ones too."""
    DELAY = "delay"
    STALL = "stall"
    """Connections stay open, and nothing passes either way."""
    HALF_OPEN = "half-open"
    """Requests arrive; answers do not."""
    TRICKLE = "trickle"


class Proxy:
    """Passes every connection to its own port on to ``server``'s, with one fault or none."""

    def __init__(self, server: int) -> None:
        self._server = server
        self._fault = NetworkFault.NONE
        self._changed = asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()
        self._connections: set[asyncio.Task[None]] = set()
        self._listening: asyncio.Server | None = None
        self.port = 0

    async def start(self) -> None:
        """Listen; ``port`` says where."""
        self._listening = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        self.port = self._listening.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Let go of everything."""
        if self._listening:
            self._listening.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def set_fault(self, fault: NetworkFault) -> None:
        """Have this fault from now on. What was held back goes on where the connection still is."""
        self._fault = fault
        self._changed.set()
        self._changed = asyncio.Event()
        if fault is NetworkFault.CUT:
            self._reset()

    def _reset(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.create_task(self._join(reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with self._held(writer):
            if self._fault is NetworkFault.CUT:
                return
            there, away = await asyncio.open_connection("127.0.0.1", self._server)
            async with self._held(away), asyncio.TaskGroup() as group:
                group.create_task(self._pass(reader, away, answers=False))
                group.create_task(self._pass(there, writer, answers=True))

    @contextlib.asynccontextmanager
    async def _held(self, writer: asyncio.StreamWriter) -> AsyncIterator[None]:
        """Reset in the end, whatever the end is: either side's end is both sides' end."""
        self._writers.add(writer)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_FAREWELL)
        try:
            yield
        except* OSError:
            pass
        finally:
            self._writers.discard(writer)
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool) -> None:
        while data := await reader.read(CHUNK):
            while self._fault is NetworkFault.STALL or (answers and self._fault is NetworkFault.HALF_OPEN):
                await self._changed.wait()
            if self._fault is NetworkFault.DELAY:
                await asyncio.sleep(DELAY_SECONDS)
            while data and self._fault is NetworkFault.TRICKLE:
                writer.write(data[:TRICKLE_BYTES])
                data = data[TRICKLE_BYTES:]
                await wait_for_event(self._changed, TRICKLE_SECONDS)
            writer.write(data)
            await writer.drain()
        raise ConnectionResetError  # ends the other direction too
