"""The topics, their keys and who writes them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from shared.contract.services import ALL, REDRIVABLE

DEAD_LETTERS: Final = "checkout.dlq"
RETENTION: Final = timedelta(days=7)
"""How long commands and events stay readable, and then until the last of their segment is as old."""
SEGMENT: Final = timedelta(days=1)
"""A new segment begins at least so often. Kafka's own week would let those of a quiet partition live for two."""
DEAD_LETTER_BYTES: Final = 16_777_216
"""Bytes of the largest record a dead letter may be; its redrive must fit too."""


def events_topic(service: str) -> str:
    """Where a service publishes its events."""
    return f"{service}.events"


def commands_topic(service: str) -> str:
    """Where a service is told what to do."""
    return f"{service}.commands"


def source_of(service: str) -> str:
    """The CloudEvents source of what a service publishes."""
    return f"/quadrille/{service}"


EVENT_SOURCES: Final = {events_topic(service): source_of(service) for service in REDRIVABLE}
"""By events topic: the one source whose events are taken there."""


def redrive_topic(service: str) -> str:
    """Where alerts sends a service's dead letters once more: only that service reads it."""
    return f"{service}.redrive"


@dataclass(frozen=True)
class Topic:
    """One topic: ``reader`` is the service that answers for every record of it, also those nobody can read.

    ``reporter``: where several read it, the one of them that reports a record of which nobody can tell whom it is for.
    """

    name: str
    key: str
    writer: str
    reader: str | None = None
    reporter: str | None = None
    retention: timedelta | None = RETENTION
    compacted: bool = False
    max_bytes: int = 1_048_576

    @property
    def holds_dead_letters(self) -> bool:
        """Whether its records are dead letters, on their way to a person or back to a service."""
        return self.max_bytes == DEAD_LETTER_BYTES

    @property
    def from_outside(self) -> bool:
        """Whether no service of ours writes it."""
        return self.writer not in REDRIVABLE and "every service" not in self.writer

    def config(self, replicas: int = 1, max_bytes: int | None = None, compression: str = "producer") -> dict[str, str]:
        """Its settings on the broker. ``max_bytes``: of its largest batch of records, where it is not the usual.

        Of several ``replicas`` all but one must have a record before it counts as written: one broker may be away, and one
        that dies takes nothing with it. The broker dates the records: by default it refuses those of a writer whose clock
        is an hour ahead, and keeps those of one that is behind too short.
        """
        config = {
            "max.message.bytes": str(max_bytes or self.max_bytes),
            "compression.type": compression,
            "min.insync.replicas": str(max(1, replicas - 1)),
            "message.timestamp.type": "LogAppendTime",
        }
        if self.compacted:
            return config | {"cleanup.policy": "compact"}
        assert self.retention is not None
        times = {"retention.ms": self.retention, "segment.ms": SEGMENT}
        return config | {"cleanup.policy": "delete"} | {k: str(time // timedelta(milliseconds=1)) for k, time in times.items()}


TOPICS: Final[dict[str, Topic]] = {
    topic.name: topic
    for topic in (
        *(
            Topic(commands_topic(service.name), service.command_key, service.commands, reader=service.name)
            for service in ALL
            if service.commands
        ),
        Topic("catalog.events", "SKU", "the shop's catalogue", reader="cart", retention=None, compacted=True),
        *(
            Topic(events_topic(service.name), service.event_key, service.name, reporter=service.reporter)
            for service in ALL
            if service.publishes
        ),
        Topic(
            DEAD_LETTERS,
            "key of the failed record",
            "every service",
            reader="alerts",
            retention=4 * RETENTION,
            max_bytes=DEAD_LETTER_BYTES,
        ),
        *(
            Topic(redrive_topic(name), "key of the failed record", "alerts", reader=name, max_bytes=DEAD_LETTER_BYTES)
            for name in REDRIVABLE
        ),
    )
}


def topics_of(service: str, read: Iterable[str]) -> list[Topic]:
    """The topics a service uses: those it reads, and all that it may write."""
    reads = set(read)
    return [
        topic
        for topic in TOPICS.values()
        if topic.name in reads or topic.writer == service or (service in REDRIVABLE and "every service" in topic.writer)
    ]
