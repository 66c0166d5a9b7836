"""Sends rows of the outbox, and says for each topic whether the broker took them."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from aiokafka.errors import (
    CorruptRecordException,
    InvalidMessageError,
    InvalidTopicError,
    KafkaError,
    MessageSizeTooLargeError,
    NotEnoughReplicasAfterAppendError,
    NotEnoughReplicasError,
    PolicyViolationError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
    UnsupportedForMessageFormatError,
)

from shared.runtime import kafka
from shared.runtime.database import OutboxRow
from shared.settings import Settings

ACK_SECONDS: Final = 15
TOO_LARGE: Final = (MessageSizeTooLargeError, RecordListTooLargeError)
REFUSALS: Final = (
    CorruptRecordException,
    InvalidMessageError,
    InvalidTopicError,
    NotEnoughReplicasAfterAppendError,
    NotEnoughReplicasError,
    PolicyViolationError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
    UnsupportedForMessageFormatError,
)
"""Errors that say something about one topic, and nothing about the broker or the way there."""


@dataclass
class Outcome:
    """What became of rows that were sent: those the broker has, and why each topic that failed did."""

    acked: list[OutboxRow] = field(default_factory=list)
    failed: dict[str, Exception] = field(default_factory=dict)


@dataclass
class _Lot:
    """Rows of one topic and partition in one batch."""

    topic: str
    partition: int
    batch: Any
    rows: list[OutboxRow]


class Sender:
    """A producer that is made when it is needed. ``name``: by which the broker knows it."""

    def __init__(self, settings: Settings, name: str) -> None:
        self._settings, self._name = settings, name
        self._producer: Any = None

    async def send(self, rows: Sequence[OutboxRow]) -> Outcome:
        """Send rows, those of one topic and partition in their order.

        Raises ``KafkaError``, ``OSError`` or ``TimeoutError`` where no broker can be reached. After any failure the sender
        has to be closed: what the broker refuses ends an idempotent producer's sequence.
        """
        if self._producer is None:
            self._producer = await kafka.new_producer(self._settings, self._name)
        by_topic: dict[str, list[_Lot]] = defaultdict(list)
        for lot in self._lots(rows):
            by_topic[lot.topic].append(lot)
        outcome = Outcome()
        await asyncio.gather(*(self._send_topic(topic, lots, outcome) for topic, lots in by_topic.items()))
        return outcome

    async def _send_topic(self, topic: str, lots: Sequence[_Lot], outcome: Outcome) -> None:
        """Send what is for one topic; a topic that cannot be found, or has no leader, keeps only its own waiting."""
        acks: list[tuple[_Lot, Any]] = []
        try:
            async with asyncio.timeout(ACK_SECONDS):
                for lot in lots:
                    name = self._settings.topic(topic)
                    acks.append((lot, await self._producer.send_batch(lot.batch, name, partition=lot.partition)))
                await asyncio.wait([ack for _, ack in acks])
        except (KafkaError, OSError, TimeoutError) as error:
            outcome.failed[topic] = error
        finally:
            late = [ack for _, ack in acks if not ack.done() and ack.cancel()]
        for lot, ack in acks:
            if ack in late:
                continue
            if refusal := ack.exception():
                if topic not in outcome.failed or isinstance(refusal, TOO_LARGE):  # what follows it fails by it
                    outcome.failed[topic] = refusal
            else:
                outcome.acked += lot.rows

    def _lots(self, rows: Sequence[OutboxRow]) -> Iterator[_Lot]:
        """The rows as producer batches. A batch of our own costs a fifth of handing the producer record by record."""
        open_: dict[tuple[str, int], _Lot] = {}
        for row in rows:
            record = row.record
            place = (record.topic, record.partition)
            content = {"timestamp": None, "key": record.key, "value": record.value, "headers": list(record.headers)}
            lot = open_.get(place)
            if lot is None or lot.batch.append(**content) is None:
                if lot is not None:  # it is full
                    yield lot
                lot = open_[place] = _Lot(*place, self._producer.create_batch(), [])
                lot.batch.append(**content)
            lot.rows.append(row)
        yield from open_.values()

    async def close(self) -> None:
        """Stop the producer; the next rows have a new one."""
        if self._producer is not None:
            made, self._producer = self._producer, None
            await kafka.stop(made, 2)
