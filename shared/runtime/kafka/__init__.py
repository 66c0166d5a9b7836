"""Kafka clients with the settings this project needs."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.conn import collect_hosts, create_conn
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import KafkaError
from aiokafka.partitioner import murmur2

from shared.errors import QuadrilleError
from shared.runtime.observability import metrics
from shared.settings import Settings
from shared.timeouts import run_with_timeout

MAX_REQUEST_BYTES: Final = 16_000_000
CLIENT_SECONDS: Final = 10
"""The longest a start or a stop of a client may take."""


class TopicsError(QuadrilleError):
    """The topics are not as the contract wants them; the message says which and what to do."""


@lru_cache(maxsize=8_192)  # keys of some minutes: what remembers those of an hour only grows
def partition_of(key: str, partitions: int) -> int:
    """The partition of a key, as every Kafka client computes it: murmur2 of its bytes."""
    return int((murmur2(key.encode()) & 0x7FFFFFFF) % partitions)


async def new_producer(settings: Settings, client_id: str) -> Any:
    """A started producer that loses and doubles nothing. Raises ``KafkaError``, ``TimeoutError``, ``OSError``."""
    made = AIOKafkaProducer(
        **settings.kafka_client(),
        client_id=client_id,
        acks="all",
        enable_idempotence=True,
        max_request_size=MAX_REQUEST_BYTES,
        max_batch_size=262_144,
        request_timeout_ms=CLIENT_SECONDS * 1000,
        compression_type=None if settings.kafka_compression == "none" else settings.kafka_compression,
    )
    _count_requests(made.client)
    await start(made)
    return made


def new_consumer(settings: Settings, group: str | None, client_id: str, **more: Any) -> Any:
    """A consumer that is not started yet: bytes in, offsets committed by hand, from the earliest record.

    What a transaction wrote is read once it is committed, and never where it is aborted.
    """
    ours = {
        "enable_auto_commit": False,
        "auto_offset_reset": "earliest",
        "isolation_level": "read_committed",
        "partition_assignment_strategy": [RangePartitionAssignor],
    }
    group_id = settings.topic(group) if group else None
    made = AIOKafkaConsumer(**settings.kafka_client(), client_id=client_id, group_id=group_id, **ours | more)
    _count_requests(made._client)
    return made


def _count_requests(client: Any) -> None:
    """Count what a client asks of the broker: the library counts nothing itself."""
    send = client.send

    async def counted(node_id: int, request: Any, **more: Any) -> Any:
        metrics.kafka_requests.labels(metrics.label(type(request).__name__.removesuffix("Request"))).inc()
        return await send(node_id, request, **more)

    client.send = counted


async def start(client: Any) -> None:
    """Start a client within :data:`CLIENT_SECONDS`; one that fails is closed."""
    try:
        await run_with_timeout(CLIENT_SECONDS, client.start())
    except BaseException:
        await stop(client)
        raise


async def stop(client: Any, seconds: float = CLIENT_SECONDS) -> None:
    """Stop a client, within a time limit and whatever state it is in."""
    end = client.close if isinstance(client, AIOKafkaAdminClient) else client.stop
    try:
        await run_with_timeout(seconds, end())
    except (KafkaError, OSError):
        return
    except TimeoutError:
        await _abandon(client, seconds)
    except asyncio.CancelledError:
        # aiokafka's own, of a fetch that waits to be tried again (see closing), unless somebody cancelled us
        if (task := asyncio.current_task()) is None or task.cancelling():
            raise
        await _abandon(client, seconds)


async def _abandon(client: Any, seconds: float) -> None:
    """End what a client that does not stop leaves behind: an idempotent producer would send its records for ever."""
    sender = getattr(client, "_sender", None)
    if sender is not None and sender.sender_task is not None:
        sender.sender_task.cancel()
    connections = getattr(client, "_client", None) or getattr(client, "client", None)
    if connections is not None:
        with contextlib.suppress(KafkaError, OSError, TimeoutError):
            await run_with_timeout(seconds, connections.close())


async def ping(client: Mapping[str, Any], seconds: float) -> None:
    """Returns once a broker answers. Raises ``KafkaError``, ``OSError`` or ``TimeoutError`` where none does in time.

    ``client``: the arguments of every client (:meth:`Settings.kafka_client`).
    """
    arguments = dict(client)
    hosts = collect_hosts(arguments.pop("bootstrap_servers"))
    failure: Exception = TimeoutError()
    for host, port, _ in hosts:
        try:
            connection = await run_with_timeout(
                seconds / len(hosts), create_conn(host, port, client_id="quadrille-ping", **arguments)
            )
        except (KafkaError, OSError, TimeoutError) as error:
            failure = error
        else:
            connection.close()
            return
    raise failure


@contextlib.asynccontextmanager
async def admin_client(settings: Settings) -> AsyncIterator[Any]:
    """A client for questions to the brokers. Raises ``KafkaError``, ``OSError`` and ``TimeoutError``."""
    admin = AIOKafkaAdminClient(**settings.kafka_client(), client_id="quadrille-topics")
    await start(admin)
    try:
        yield admin
    finally:
        await stop(admin)


async def partitions_of(settings: Settings, names: Sequence[str]) -> list[TopicPartition]:
    """All partitions these topics have on the broker. Raises :class:`TopicsError` naming the topics that are missing."""
    async with admin_client(settings) as admin:
        described = await run_with_timeout(CLIENT_SECONDS, admin.describe_topics(list(names)))
    found = {d["topic"]: len(d["partitions"]) for d in described if not d["error_code"]}
    if missing := [name for name in names if name not in found]:
        raise TopicsError(f"the broker has no topic {', '.join(missing)}: run `quadrille topics create`")
    return [TopicPartition(name, partition) for name in names for partition in range(found[name])]
