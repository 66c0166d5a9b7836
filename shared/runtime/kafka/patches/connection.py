"""Connections to a broker on which a write that comes too late is a lost connection, and no bug.

A broker may end a connection in the moment in which a request is written to it. asyncio's own loop takes that as a
connection that is lost; uvloop raises ``RuntimeError``, which aiokafka does not expect (aio-libs/aiokafka#1038): the task
that keeps the metadata ends by it, and from then on the consumer finds no coordinator and commits no offsets.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

from aiokafka import conn
from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import KafkaConnectionError


class Connection(AIOKafkaConnection):
    """In the place of aiokafka's own class."""

    def send(self, request: Any, expect_response: bool = True) -> Any:
        """Write a request; what is to be awaited for its answer. Raises ``KafkaConnectionError``."""
        with self._closed_is_lost():
            return super().send(request, expect_response)

    def _send_sasl_token(self, payload: bytes, expect_response: bool = True) -> Any:
        with self._closed_is_lost():
            return super()._send_sasl_token(payload, expect_response)

    @contextlib.contextmanager
    def _closed_is_lost(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:
            self.close(reason=CloseReason.CONNECTION_BROKEN)
            raise KafkaConnectionError(f"the connection to {self.host}:{self.port} is closed: {error}") from error


def install() -> None:
    """Have every client of this process connect in this way."""
    conn.AIOKafkaConnection = Connection
