"""The health of Kafka, PostgreSQL and every process, asked from outside."""

import asyncio
import logging
from collections.abc import Awaitable
from urllib.parse import urlsplit

import aiohttp
import asyncpg
from aiokafka.admin import AIOKafkaAdminClient

from cli.system import RunningSystem
from shared.contract.services import DATABASES
from shared.runtime import kafka
from shared.settings import Settings, load
from shared.timeouts import run_with_timeout

ASK_SECONDS = 3.0


async def states_of(running: RunningSystem) -> dict[str, dict[str, object]]:
    """The health of Kafka, PostgreSQL and each process, by name: ``ready``, ``trouble``, ``address`` and what it adds."""
    found, states = await asyncio.gather(servers(load(running.environment)), health(running.health_ports))
    processes = {name: {**state, "address": f"http://127.0.0.1:{running.health_ports[name]}"} for name, state in states.items()}
    return {**found, **processes}


async def health(ports: dict[str, int]) -> dict[str, dict[str, object]]:
    """The ``/readyz`` of each process; ``ready`` is false if it does not answer."""

    async def ask(session: aiohttp.ClientSession, port: int) -> dict[str, object]:
        try:
            async with session.get(f"http://127.0.0.1:{port}/readyz") as answer:
                state: dict[str, object] = await answer.json()
                return {"ready": answer.status == 200, **state}
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            return {"ready": False, "trouble": type(error).__name__}

    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ASK_SECONDS)) as session:
        answers = await asyncio.gather(*(ask(session, port) for port in ports.values()))
    return dict(zip(ports, answers, strict=True))


async def servers(settings: Settings) -> dict[str, dict[str, object]]:
    """The health of Kafka and each PostgreSQL server, by name: ``ready``, ``trouble`` and ``address``."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # it would log what we report
    databases = {urlsplit(settings.database_url(name)).netloc.rpartition("@")[2]: name for name in DATABASES}
    asked: dict[str, tuple[str, Awaitable[None]]] = {
        "kafka": (str(settings.kafka_bootstrap_servers), _ask_kafka(settings)),
        **{
            "postgres" if len(databases) == 1 else f"postgres of {name}": (address, _ask_postgres(settings, name))
            for address, name in databases.items()
        },
    }
    troubles = await asyncio.gather(*(_trouble(asking) for _, asking in asked.values()))
    return {
        name: {"ready": trouble is None, "trouble": trouble, "address": address}
        for (name, (address, _)), trouble in zip(asked.items(), troubles, strict=True)
    }


async def _trouble(asking: Awaitable[None]) -> str | None:
    try:
        await asking
    except TimeoutError:
        return f"no answer within {ASK_SECONDS:g} s"
    except Exception as error:  # a library may raise anything
        return f"cannot be reached ({type(error).__name__})"
    return None


async def _ask_kafka(settings: Settings) -> None:
    client = AIOKafkaAdminClient(**settings.kafka_client(), request_timeout_ms=int(ASK_SECONDS * 1000))

    async def ask() -> None:
        try:
            await kafka.start(client)
            await client.list_topics()
        finally:
            await kafka.stop(client, 1)

    await run_with_timeout(ASK_SECONDS, ask())


async def _ask_postgres(settings: Settings, name: str) -> None:
    async with asyncio.timeout(ASK_SECONDS):
        connection = await asyncpg.connect(settings.database_url(name))
        try:
            await connection.execute("SELECT 1")
        finally:
            connection.terminate()
