"""CloudEvents 1.0 in Kafka records: binary mode written, binary and structured mode read."""

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Any, Final

from pydantic import ValidationError

from shared.contract.attributes import (
    CONTENT_TYPE,
    Attributes,
    check_charset,
    is_structured,
    of_event,
    of_headers,
)
from shared.contract.attributes import (
    Headers as Headers,
)
from shared.contract.attributes import (
    UnreadableError as UnreadableError,
)
from shared.contract.cards import without_card_numbers
from shared.contract.faults import LONGEST, reasons_of
from shared.contract.message import AT_THE_DOOR, Command, Message
from shared.contract.products import ProductDelisted
from shared.contract.registry import MESSAGES
from shared.contract.rejection import CommandRejected
from shared.contract.services import REDRIVABLE
from shared.contract.text import not_taken
from shared.contract.topics import EVENT_SOURCES, TOPICS, source_of
from shared.contract.values import Reason
from shared.contract.when import moment

MAX_ATTRIBUTE: Final = 200
"""Characters of the longest attribute (id, source, ...) that is read."""
_SOURCES: Final = frozenset(map(source_of, REDRIVABLE))
MAX_VALUE_BYTES: Final = 262_144
"""Bytes of the largest message that is parsed; 200 lines need far less."""


@dataclass(frozen=True, slots=True)
class Redriven:
    """A dead letter that was sent once more: which, by which command, and where the redrive itself was read."""

    dead_letter_id: str
    command_id: str
    topic: str
    offset: int


@dataclass(slots=True)
class Record:
    """A Kafka record as it came, byte for byte. ``timestamp``: milliseconds since 1970, UTC.

    ``redriven``: it comes from a redrive, and topic, partition and offset are where it first stood. Nobody changes one;
    it is not frozen because every reader makes one of every record, and that would take five times as long.
    """

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp: int
    redriven: Redriven | None = None


@dataclass(slots=True)
class Envelope:
    """What is known of a message beside its body. Nobody changes one; it is not frozen for the reason a record is not.

    ``key``: the one in the body, where that can be read, else the record's. ``time``: when it happened, where its writer
    says so. ``offset``: where it stood in its topic, so that one that comes ``redriven`` can be told to be older than
    another. ``body``: the message itself as JSON, as it came; empty where it was not read from a record.
    """

    id: str
    source: str
    type: str
    key: str
    correlation_id: str
    causation_id: str | None = None
    traceparent: str | None = None
    time: datetime | None = None
    offset: int = field(default=-1, compare=False)
    redriven: bool = field(default=False, compare=False)
    body: bytes = field(default=b"", compare=False, repr=False)

    def older_than(self, position: int) -> bool:
        """Whether this is a redrive of what stood before ``position``: what came since must not be overwritten by it."""
        return self.redriven and self.offset < position


class RefusedError(Exception):
    """The record is a command, but its content breaks the contract; ``reasons`` holds every fault."""

    def __init__(self, envelope: Envelope, command: type[Command], reasons: tuple[Reason, ...]) -> None:
        super().__init__("; ".join(map(_sentence, reasons)))
        self.envelope, self.command, self.reasons = envelope, command, reasons


def refusal(envelope: Envelope, *reasons: Reason) -> CommandRejected:
    """The refusal of the command in this envelope."""
    return CommandRejected(
        command_key=envelope.key or "unknown", command_id=envelope.id, command_type=envelope.type, reasons=reasons
    )


def message_id(service: str, cause: str, index: int) -> str:
    """The id of the ``index``-th message ``service`` emits because of ``cause``: always the same (UUID version 8)."""
    digest = bytearray(hashlib.blake2b(f"{service}\n{cause}\n{index}".encode(), digest_size=16).digest())
    digest[6] = (digest[6] & 0x0F) | 0x80
    digest[8] = (digest[8] & 0x3F) | 0x80
    text = digest.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def write(envelope: Envelope, message: Message, at: datetime) -> tuple[list[tuple[str, bytes]], bytes]:
    """A message as headers and value, in binary mode. ``at``: when it happened."""
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", envelope.id.encode()),
        ("ce_source", envelope.source.encode()),
        ("ce_type", envelope.type.encode()),
        ("ce_subject", message.subject.encode()),
        ("ce_time", _written(at)),
        ("ce_partitionkey", envelope.key.encode()),
        ("ce_correlationid", envelope.correlation_id.encode()),
        ("content-type", b"application/json"),
    ]
    if envelope.causation_id:
        headers.append(("ce_causationid", envelope.causation_id.encode()))
    if envelope.traceparent:
        headers.append(("traceparent", envelope.traceparent.encode()))
    return headers, message.__pydantic_serializer__.to_json(message)


@lru_cache(maxsize=8)
def _written(at: datetime) -> bytes:
    """A moment as CloudEvents writes it; the messages of one commit all have the same."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z").encode()


def type_of(record: Record) -> bytes | None:
    """The type in the headers, without looking further: most records are not for most readers."""
    for name, value in record.headers:
        if name == "ce_type":
            return value
    return None


def read(record: Record) -> tuple[Envelope, Message]:
    """The message in a record.

    Raises :class:`UnreadableError` for what is no message of this contract, :class:`RefusedError` for a command
    whose content is refused.
    """
    topic = TOPICS.get(record.topic)
    if record.value is None and topic is not None and topic.compacted:
        return _deleted(record)
    envelope, message = _read(record)
    if topic is not None and topic.compacted and record.key is not None and envelope.key != message.key:
        raise UnreadableError(
            f"the record's key must be {message.key}, as in the value: compaction keeps only the last record of each key"
        )
    return _keyed(envelope, message)


def _deleted(record: Record) -> tuple[Envelope, Message]:
    """What a record without a value says on a compacted topic: the product that its key names is not sold any more."""
    key = _key(record, {})
    try:
        delisted = ProductDelisted(sku=key)
    except ValidationError:
        raise UnreadableError("a record without a value delists the product of its key, and this key is not a SKU") from None
    place = f"{record.topic}/{record.partition}/{record.offset}/{record.timestamp}"
    envelope = Envelope(place, f"/kafka/{record.topic}", delisted.type_name(), key, place, offset=record.offset)
    return replace(envelope, redriven=record.redriven is not None), delisted


def _read(record: Record) -> tuple[Envelope, Message]:
    headers = of_headers(record.headers)
    if not record.value:
        raise UnreadableError("the record has no value")
    if len(record.value) > MAX_VALUE_BYTES:
        raise UnreadableError(f"the value has {len(record.value)} bytes; the limit is {MAX_VALUE_BYTES}")
    if is_structured(headers):
        return _read_structured(record, headers)
    attributes = {CONTENT_TYPE: headers.get("content-type", ""), **headers}
    envelope, kind = _envelope(record, attributes)
    envelope.body = record.value
    check_charset(attributes, record.value)
    return envelope, _validate(envelope, kind, record.value)


def _keyed(envelope: Envelope, message: Message) -> tuple[Envelope, Message]:
    """What is answered to a message goes by the key it should have had."""
    return envelope if envelope.key == message.key else replace(envelope, key=message.key), message


def _read_structured(record: Record, headers: Attributes) -> tuple[Envelope, Message]:
    assert record.value is not None
    attributes, body = of_event(record.value, headers)
    if "traceparent" in headers and (record.redriven or "traceparent" not in attributes):  # a redrive is a trace of its own
        attributes["traceparent"] = headers["traceparent"]
    envelope, kind = _envelope(record, attributes)
    envelope.body = body
    check_charset(attributes, body)
    message = _validate(envelope, kind, body)
    if issubclass(kind, Command):
        _refuse_duplicate_fields(envelope, kind, record.value)  # in the body, written anew, none is left
    return envelope, message


def _envelope(record: Record, attributes: Attributes) -> tuple[Envelope, type[Message]]:
    if attributes.get("specversion", "1.0") != "1.0":
        raise UnreadableError(f"CloudEvents version {attributes['specversion'][:20]!r} is not supported; send 1.0")
    for name in ("id", "source", "type"):
        if wrong := _wrong(attributes.get(name, "")):
            raise UnreadableError(f"the attribute {name} {wrong}")
    kind = MESSAGES.get(attributes["type"])
    if kind is None:
        raise UnreadableError(f"unknown type {attributes['type']!r}")
    topic = TOPICS.get(record.topic)
    if kind.topic and topic is not None and kind.topic != topic.name:
        raise UnreadableError(f"{kind.__name__} belongs on {kind.topic}, not on {record.topic}")
    if record.topic in EVENT_SOURCES and attributes["source"] != EVENT_SOURCES[record.topic]:
        source, expected = attributes["source"], EVENT_SOURCES[record.topic]
        raise UnreadableError(f"{record.topic} accepts events only from the source {expected}, not from {source}")
    if topic is not None and topic.from_outside and attributes["source"] in _SOURCES:
        # under its source and id, what the service says itself would count as handled
        raise UnreadableError(f"{attributes['source']} does not write {record.topic}")
    correlation = _sane(attributes.get("correlationid")) or attributes["id"]
    envelope = Envelope(
        id=attributes["id"],
        source=attributes["source"],
        type=attributes["type"],
        key=_key(record, attributes),
        correlation_id=correlation,
        causation_id=_sane(attributes.get("causationid")),
        traceparent=_sane(attributes.get("traceparent")),
        time=moment(attributes.get("time", "")),
        offset=record.offset,
        redriven=record.redriven is not None,
    )
    return envelope, kind


def _key(record: Record, attributes: Attributes) -> str:
    try:
        key = (record.key or b"").decode() or attributes.get("partitionkey", "")
    except UnicodeDecodeError:
        raise UnreadableError("the key is not UTF-8") from None
    if key and (wrong := _wrong(key)):
        raise UnreadableError(f"the key {wrong}")
    return key


def _wrong(text: str) -> str | None:
    """Why an attribute or a key cannot be used, if so."""
    if not text:
        return "is missing"
    return f"must have at most {MAX_ATTRIBUTE} characters" if len(text) > MAX_ATTRIBUTE else not_taken(text)


def _sane(text: str | None) -> str | None:
    """An optional attribute, or nothing where it is not fit to be passed on."""
    return None if text is None or _wrong(text) else text


def _validate(envelope: Envelope, kind: type[Message], body: bytes) -> Message:
    command = issubclass(kind, Command)
    context = AT_THE_DOOR if command or _comes_from_outside(kind) else None
    try:
        message = kind.model_validate_json(body, extra="forbid" if command else "ignore", context=context)
    except ValidationError as error:
        reasons = reasons_of(error, body)
    else:
        if issubclass(kind, Command):
            _refuse_duplicate_fields(envelope, kind, body)
        return message
    if issubclass(kind, Command) and reasons[0].code != "json_invalid":
        raise RefusedError(envelope, kind, reasons)
    raise UnreadableError(f"{kind.__name__} cannot be read: {_sentence(reasons[0])}")


@cache
def _comes_from_outside(kind: type[Message]) -> bool:
    return bool(kind.topic) and TOPICS[kind.topic].from_outside


def _sentence(reason: Reason) -> str:
    return f"{reason.subject}: {reason.message}" if reason.subject else reason.message


def _refuse_duplicate_fields(envelope: Envelope, kind: type[Command], body: bytes) -> None:
    """A client that says a thing twice may mean either; parsers differ in which they take."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        fields = dict(pairs)
        if len(fields) < len(pairs):
            twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
            subject = without_card_numbers(twice[:LONGEST])
            reason = Reason(code="duplicate_field", message="duplicate field", subject=subject)
            raise RefusedError(envelope, kind, (reason,))
        return fields

    json.loads(body, object_pairs_hook=once)
