"""Converts a record of any topic to an entry. No record makes this fail."""

from dataclasses import replace
from datetime import datetime
from typing import Any, Final, NamedTuple

from services.journal.model import Entry, Form
from services.journal.redaction import redact
from shared.contract.dead_letter import ERRORS
from shared.contract.envelope import MAX_ATTRIBUTE, Envelope, Record, RefusedError, UnreadableError, read
from shared.contract.message import Message
from shared.contract.redrive import unwrap
from shared.contract.registry import MESSAGES
from shared.contract.services import SERVICES
from shared.contract.text import plain, redacted
from shared.contract.topics import DEAD_LETTERS, events_topic
from shared.contract.when import happened_at, recorded_at

MAX_TEXT: Final = 300
_FAILURE_HEADERS: Final = {"service": "quadrille.service", "stage": "stage", "error": "exception.message"}
"""The headers of a dead letter that describe its failure."""
_MESSAGE_TOPICS: Final = {kind.topic for kind in MESSAGES.values()} | {events_topic(service) for service in SERVICES}
"""The topics of messages. All others have dead letters and copies."""


class _Place(NamedTuple):
    """The first fields of an entry: the position of a record, and its times."""

    topic: str
    partition: int
    offset: int
    recorded_at: datetime
    at: datetime


def entry(record: Record, now: datetime) -> Entry:
    """Convert a record. ``now`` bounds the times it claims."""
    recorded = recorded_at(record.timestamp, now)
    place = _Place(record.topic, record.partition, record.offset, recorded, recorded)
    if record.topic in _MESSAGE_TOPICS:
        return _message(place, record)
    return _dead_letter(place, record) if record.topic == DEAD_LETTERS else _redrive(place, record)


def _message(place: _Place, record: Record) -> Entry:
    try:
        envelope, message = read(record)
    except RefusedError as refused:
        return _refused(_dated(place, refused.envelope), Form.REFUSED, record, refused, _failure(str(refused)))
    except UnreadableError as unreadable:
        return Entry(*place, Form.UNREADABLE, _text(record.key), facts=_failure(str(unreadable)))
    return _read(_dated(place, envelope), Form.MESSAGE, envelope, message)


def _elsewhere(place: _Place, record: Record, form: Form) -> Entry:
    """A message on a topic that is not its own, as far as it can be read."""
    try:
        envelope, message = read(replace(record, topic=""))
    except RefusedError as refused:
        return _refused(place, form, record, refused, {})
    except UnreadableError:
        return Entry(*place, form, _text(record.key))
    return _read(place, form, envelope, message)


def _dead_letter(place: _Place, record: Record) -> Entry:
    """A dead letter: who failed, and why. Its content stays in the topic, byte for byte."""
    found = _elsewhere(place, record, Form.DEAD_LETTER)
    headers = {name: value for name, value in reversed(record.headers) if isinstance(value, bytes)}
    given = {name: redacted(_text(headers.get(ERRORS + h)), MAX_TEXT) for name, h in _FAILURE_HEADERS.items()}
    origin = "/".join(_text(headers.get(ERRORS + part)) or "?" for part in ("topic", "partition", "offset"))
    failure = {"error": "no reason given", **{name: text for name, text in given.items() if text}, "origin": origin}
    return replace(
        found,
        source=f"/quadrille/{given['service']}" if given["service"] else "",
        message_id=found.message_id or _text(headers.get("ce_id")) or None,
        facts={**found.facts, "failure": failure},
    )


def _redrive(place: _Place, record: Record) -> Entry:
    """A record redriven to the service that failed, with the position it first had."""
    found = _elsewhere(place, record, Form.COPY)
    first = unwrap(record)
    return replace(found, facts={**found.facts, "origin": _text(f"{first.topic}/{first.partition}/{first.offset}".encode())})


def _read(place: _Place, form: Form, envelope: Envelope, message: Message) -> Entry:
    kind, checkout_id = type(message), getattr(message, "checkout_id", None)
    known = (envelope.source, kind.__name__, envelope.id, checkout_id, envelope.causation_id)
    return Entry(*place, form, message.key, *known, facts=redact(message))


def _refused(place: _Place, form: Form, record: Record, refused: RefusedError, facts: dict[str, Any]) -> Entry:
    envelope, kind = refused.envelope, refused.command
    known = (envelope.source, kind.__name__, envelope.id, None, envelope.causation_id)
    return Entry(*place, form, envelope.key or _text(record.key), *known, facts=facts)


def _failure(error: str) -> dict[str, Any]:
    return {"failure": {"error": redacted(error, MAX_TEXT)}}


def _text(value: bytes | None) -> str:
    """Untrusted bytes as text that is safe for the database and for a terminal."""
    return plain((value or b"")[: 4 * MAX_TEXT].decode("utf-8", "replace"), MAX_ATTRIBUTE)


def _dated(place: _Place, envelope: Envelope) -> _Place:
    """With the time that the writer claims, if it is plausible."""
    return place._replace(at=happened_at(envelope.time, place.recorded_at))
