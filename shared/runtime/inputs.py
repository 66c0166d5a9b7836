"""What a batch is made of: records that were read, refused or are beyond reading, timers, and answers from outside."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from shared.contract.envelope import Envelope, Record, Redriven, RefusedError, UnreadableError, read, type_of
from shared.contract.message import Command
from shared.contract.redrive import unwrap
from shared.contract.registry import MESSAGES
from shared.contract.topics import TOPICS
from shared.contract.values import Reason
from shared.runtime import records
from shared.runtime.database import Seen
from shared.runtime.observability.logs import Ids
from shared.runtime.reactions import Reaction, Reactions, TimerFired, id_field

NAMED: Final = ("cart_id", "checkout_id", "order_number", "sku")
"""The fields of messages that log lines name."""
DIGEST_BYTES: Final = 8
"""Of the digest of a message's content: what nobody makes collide by accident, in few bytes a row."""


@dataclass(frozen=True, slots=True)
class Deliver:
    """Run a reaction. ``envelope`` and ``record`` are missing for timers and answers from outside.

    ``traceparent``: of the call that an answer is to.
    """

    partition: int
    reaction: Reaction
    trigger: Any
    envelope: Envelope | None = None
    record: Record | None = None
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class Reject:
    """Answer a command whose content breaks the contract.

    ``reused``: the digest of the content, where its id was used before for another; that is what it is refused for.
    """

    partition: int
    error: RefusedError
    record: Record
    reused: bytes | None = None


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Make a dead letter of a record; ``stage`` is what failed: reading it, or the reaction of that name."""

    partition: int
    record: Record
    error: BaseException
    stage: str


@dataclass(frozen=True, slots=True)
class RetryTimer:
    """A timer or an answer whose reaction failed: tell a person, and let the timer fire again later."""

    partition: int
    reaction: Reaction
    trigger: Any
    error: BaseException


WorkItem = Deliver | Reject | DeadLetter | RetryTimer


class IdReusedError(UnreadableError):
    """Another message came under this source and id before: it cannot be told whether this one is new."""

    def __init__(self, envelope: Envelope) -> None:
        super().__init__(
            f"the id {envelope.id} of {envelope.source} was used before for another message; give every message an id of its"
            " own (did a counter begin anew?)"
        )


def digest_of(kind: str, body: bytes) -> bytes:
    """The digest of a message of this CloudEvents type.

    It covers every field as it was written, known here or not, so that it is the same before and after an upgrade. The order
    of the fields, spaces and escapes do not count: who writes the same again may encode it anew.
    """
    try:
        content = orjson.dumps(orjson.loads(body), option=orjson.OPT_SORT_KEYS)
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        content = body  # such as a whole number of more than 64 bits
    return hashlib.blake2b(kind.encode() + b"\n" + content, digest_size=DIGEST_BYTES).digest()


def identity(item: WorkItem) -> Seen | None:
    """What the inbox knows an item by.

    A dead letter is known by its place in the topic and not by its id, so that a redrive of the message is new.
    """
    match item:
        case Reject(error=RefusedError(envelope=envelope), reused=bytes(digest)):
            return Seen(envelope.source, f"{envelope.id}/reused/{digest.hex()}")
        case Deliver(envelope=Envelope() as envelope) | Reject(error=RefusedError(envelope=envelope)):
            return Seen(envelope.source, envelope.id, digest_of(envelope.type, envelope.body) if envelope.body else None)
        case DeadLetter(partition=partition, record=Record(redriven=Redriven(topic=topic, offset=offset)) as record):
            return Seen(f"{topic}/{partition}", f"{offset}/{record.timestamp}")
        case DeadLetter(record=record):
            return Seen(f"{record.topic}/{record.partition}", f"{record.offset}/{record.timestamp}")
        case _:
            return None


def reused(item: WorkItem, digest: bytes) -> WorkItem:
    """An item whose id was used before for another content than that of this ``digest``: refused or a dead letter."""
    assert isinstance(item, Deliver | Reject)
    assert item.record is not None
    envelope = item.error.envelope if isinstance(item, Reject) else item.envelope
    assert envelope is not None
    error = IdReusedError(envelope)
    command = item.error.command if isinstance(item, Reject) else type(item.trigger)
    if issubclass(command, Command):
        reason = Reason(code="id_reused", message=str(error), subject="id")
        return Reject(item.partition, RefusedError(envelope, command, (reason,)), item.record, digest)
    return DeadLetter(item.partition, item.record, error, "read")


def size(item: WorkItem) -> int:
    """Bytes of its record; none of a timer or an answer."""
    record = getattr(item, "record", None)
    return records.size(record) if record else 0


def ids(item: WorkItem) -> Ids:
    """By what a log line about an item names it."""
    named: dict[str, str | int | None] = {}
    if isinstance(item, Deliver | RetryTimer):
        named = {name: getattr(item.trigger, name, None) for name in NAMED}
        if isinstance(item.trigger, TimerFired) and item.reaction.aggregate:
            named[id_field(item.reaction.aggregate)] = item.trigger.aggregate_id
    if envelope := item.error.envelope if isinstance(item, Reject) else getattr(item, "envelope", None):
        named |= {"message_id": envelope.id, "message_type": envelope.type, "traceparent": envelope.traceparent}
    if record := getattr(item, "record", None):
        named |= {"topic": record.topic, "partition": record.partition, "offset": record.offset}
    return named


class Reader:
    """Turns the records of one service's topics into work items."""

    def __init__(self, reactions: Reactions) -> None:
        self._service = reactions.service
        self._reactions: Mapping[type[Any], Reaction] = reactions.by_trigger
        self._wanted = {name.encode() for name in reactions.messages}
        self._known = {name.encode() for name in MESSAGES}

    def read(self, record: Record) -> WorkItem | None:
        """The work item of a record, or nothing where it is meant for others."""
        partition, record = record.partition, unwrap(record)
        named = type_of(record)
        if named is not None and named not in self._wanted and not self._answers_for(record):
            return None
        try:
            envelope, message = read(record)
        except RefusedError as error:
            return Reject(partition, error, record)
        except UnreadableError as error:
            return DeadLetter(partition, record, error, "read") if named is not None or self._reports(record) else None
        reaction = self._reactions.get(type(message))
        if reaction is None:
            if not self._answers_for(record):
                return None
            return DeadLetter(partition, record, UnreadableError(f"{self._service} has no use for it"), "read")
        return Deliver(partition, reaction, message, envelope, record)

    def _reports(self, record: Record) -> bool:
        topic = TOPICS.get(record.topic)
        reporter = topic and (topic.reporter or topic.reader)
        return record.redriven is not None or reporter in (None, self._service)

    def _answers_for(self, record: Record) -> bool:
        topic = TOPICS.get(record.topic)
        return record.redriven is not None or (topic is not None and topic.reader == self._service)
