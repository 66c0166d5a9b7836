"""Whether Kafka and the database answer, and why not."""

import asyncio
import socket
from typing import Any

import pytest
from aiokafka.errors import KafkaError

from services.alerts.watchdog.outages import Database, trouble
from shared.runtime import kafka
from shared.settings import load


def brokers(*listening: socket.socket) -> dict[str, Any]:
    """The arguments of a Kafka client for these brokers."""
    servers = ",".join(f"127.0.0.1:{one.getsockname()[1]}" for one in listening)
    return load({"QUADRILLE_KAFKA_BOOTSTRAP_SERVERS": servers}).kafka_client()


async def test_a_frozen_broker_does_not_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as frozen, pytest.raises((TimeoutError, KafkaError)):
        await kafka.ping(brokers(frozen, frozen), 0.2)


async def test_a_missing_broker_does_not_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        nowhere = brokers(gone)
    assert "Connect" in (await trouble(lambda: kafka.ping(nowhere, 5.0)) or "")


async def test_the_reason_of_a_missing_database_is_one_line_without_secrets() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        database = Database(f"postgresql://ada:secret@127.0.0.1:{gone.getsockname()[1]}/alerts")
    why = await trouble(database.ask) or ""
    assert why
    assert "secret" not in why
    assert why.isprintable()


async def test_a_late_answer_is_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.alerts.watchdog.outages.ANSWER_SECONDS", 0.01)
    assert await trouble(lambda: asyncio.sleep(60)) == "no answer within 0.01 s"


async def test_what_answers_has_no_trouble() -> None:
    assert await trouble(lambda: asyncio.sleep(0)) is None
