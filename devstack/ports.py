"""Ports for servers that may be stopped and started again, with nobody else on them in between."""

import random
import socket
from collections.abc import Iterator
from typing import Final

from devstack.errors import StackError

FIRST: Final = 20_000
LAST: Final = 32_700
"""Below what kernels hand out by themselves (Linux from 32768, RFC 6335 from 49152): there, whoever connects to anything
may be given the port of a server that is just being restarted."""
BLOCK: Final = 100


def free_port(preferred: int | None = None) -> int:
    """``preferred`` where nobody uses it, else a port nobody uses and no call before was given, in no process."""
    if preferred and _is_free(preferred):
        _preferred.add(preferred)
        return preferred
    for port in _ports:
        if port not in _preferred and _is_free(port):
            return port
    raise StackError("no port is free")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _own_ports() -> Iterator[int]:
    """The ports of blocks this process has to itself, because it listens on the first port of each."""
    for first in random.sample(range(FIRST, LAST, BLOCK), (LAST - FIRST) // BLOCK):
        guard = socket.socket()
        try:
            guard.bind(("127.0.0.1", first))
            guard.listen()
        except OSError:
            guard.close()
            continue
        _guards.append(guard)
        yield from range(first + 1, first + BLOCK)


_guards: Final[list[socket.socket]] = []
_preferred: Final[set[int]] = set()
"""What was preferred and given: perhaps nobody listens there yet."""
_ports: Final = _own_ports()
