"""Records as they come from Kafka."""

import json
from collections.abc import Sequence
from typing import Any

from shared.contract.envelope import Envelope, Record, RefusedError, UnreadableError, read, write
from shared.contract.message import Command, Message
from shared.contract.registry import MESSAGES
from shared.contract.topics import EVENT_SOURCES
from tests.support.clock import NOW

EVENTS = "cart.events"
Header = tuple[str, bytes | None]


def envelope(message: Message, **changes: Any) -> Envelope:
    """An envelope with every attribute."""
    known = {"source": source_of(message), "correlation_id": "story", "causation_id": "cause", "traceparent": "00-1-2-01"}
    return Envelope(**{"id": "m1", "type": message.type_name(), "key": message.key, "time": NOW, **known, **changes})


def source_of(message: Message) -> str:
    """The service that alone writes the message's topic, or else a client."""
    return EVENT_SOURCES.get(message.topic or EVENTS, "/tests")


def record(topic: str, value: bytes | None, headers: Sequence[Any] = (), key: bytes | None = b"cart1") -> Record:
    return Record(topic, 3, 7, key, value, list(headers), 0)


def binary(message: Message, body: bytes | None = None, more: Sequence[Header] = (), **changes: Any) -> Record:
    """A message in binary mode; ``body`` in place of its own, ``more`` headers before all others."""
    headers, value = write(envelope(message, **changes), message, NOW)
    return record(message.topic or EVENTS, value if body is None else body, [*more, *headers], message.key.encode())


def structured(message: Message, **changes: Any) -> Record:
    """A message in structured mode, with attributes changed or, where ``None``, left out."""
    whole = {
        "specversion": "1.0",
        "id": "m1",
        "source": source_of(message),
        "type": message.type_name(),
        "data": message.model_dump(mode="json"),
        "partitionkey": message.key,
        "correlationid": "story",
        "causationid": "cause",
        "traceparent": "00-1-2-01",
        "time": NOW.isoformat(),
        **changes,
    }
    value = json.dumps({name: part for name, part in whole.items() if part is not None}).encode()
    return record(message.topic or EVENTS, value, key=message.key.encode())


def body(message: Message, **changes: Any) -> bytes:
    """The body of a message with fields added or changed."""
    return json.dumps({**message.model_dump(mode="json"), **changes}).encode()


def check(given: Record) -> None:
    """Read it: whatever comes of it makes sense, and nothing else is raised than what says why it cannot be read."""
    try:
        outcome: Any = read(given)
    except (RefusedError, UnreadableError) as error:
        outcome = error
    match outcome:
        case RefusedError():
            assert outcome.reasons
            assert outcome.envelope.id
            assert issubclass(outcome.command, Command)
        case UnreadableError():
            assert str(outcome)
        case envelope, message:
            assert envelope.key == message.key
            assert type(message) is MESSAGES[envelope.type]
            headers, value = write(envelope, message, NOW)
            again = record(given.topic, value, headers, message.key.encode())
            assert read(again)[1] == message, "what is passed on is what was read"
