"""A record of any topic as an entry. Nothing in a record can make this fail."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from services.journal.essence import essence
from services.journal.model import Entry, Form
from shared.contract.catalogue import MESSAGES
from shared.contract.envelope import MAX_ATTRIBUTE, Envelope, Record, RefusedError, UnreadableError, read
from shared.contract.message import Message
from shared.contract.topics import DEAD_LETTERS, SERVICES, events_topic

ERRORS: Final = "__connect.errors."
EARLY: Final = timedelta(minutes=5)
"""So far the writer's clock may be ahead of the broker's record."""
LATE: Final = timedelta(days=30)
"""So long an event may have waited in an outbox."""
MAX_TEXT: Final = 300
_HOMES: Final = {kind.topic for kind in MESSAGES.values()} | {events_topic(service) for service in SERVICES}
"""The topics that are some message's own. What lies on others are dead letters and copies."""


def entry(record: Record, now: datetime) -> Entry:
    """The entry of a record. ``now`` bounds the times it claims."""
    recorded_at = _recorded_at(record.timestamp, now)
    form = Form.DEAD_LETTER if record.topic == DEAD_LETTERS else Form.MESSAGE if record.topic in _HOMES else Form.COPY
    bare = Entry(*_place(record), recorded_at, recorded_at, form, story=_text(record.key))
    headers = _headers(record)
    at_home = form is Form.MESSAGE
    try:
        envelope, message = read(record if at_home else replace(record, topic=""))
    except RefusedError as refused:
        found = _known(bare, refused.envelope, refused.command)
        found = replace(found, form=Form.REFUSED, facts=_failure(str(refused))) if at_home else found
    except UnreadableError as unreadable:
        found = replace(bare, form=Form.UNREADABLE, facts=_failure(str(unreadable))) if at_home else bare
    else:
        known = _known(bare, envelope, type(message))
        found = replace(known, story=message.key, checkout_id=getattr(message, "checkout_id", None), facts=essence(message))
    if form is Form.DEAD_LETTER:
        return _dead_letter(found, headers)
    return replace(found, at=_happened_at(headers.get("ce_time"), recorded_at))


def _place(record: Record) -> tuple[str, int, int]:
    return record.topic, record.partition, record.offset


def _known(bare: Entry, envelope: Envelope, kind: type[Message]) -> Entry:
    return replace(
        bare,
        story=envelope.key or bare.story,
        source=envelope.source,
        kind=kind.__name__,
        message_id=envelope.id,
        cause=envelope.causation_id,
    )


def _dead_letter(found: Entry, headers: dict[str, bytes]) -> Entry:
    """Who could not handle what, and why. Its content is in the topic, byte for byte, and not here."""
    told = {name: _text(headers.get(ERRORS + header)) for name, header in _TOLD.items()}
    origin = "/".join(_text(headers.get(ERRORS + part)) or "?" for part in ("topic", "partition", "offset"))
    failure = {**{name: text for name, text in told.items() if text}, "origin": origin}
    message_id = found.message_id or _text(headers.get("ce_id")) or None
    facts = {
        **found.facts,
        **_failure(told["error"] or "no reason is given"),
    }
    facts["failure"] |= failure
    return replace(found, message_id=message_id, facts=facts)


_TOLD: Final = {"service": "quadrille.service", "stage": "stage", "error": "exception.message"}


def _failure(error: str) -> dict[str, Any]:
    return {"failure": {"error": _plain(error)}}


def _headers(record: Record) -> dict[str, bytes]:
    """The headers by name; the first of equals counts."""
    return {name: value for name, value in reversed(list(record.headers)) if isinstance(value, bytes)}


def _text(value: bytes | None) -> str:
    """Bytes from anywhere as text that a database takes and a terminal survives."""
    return _plain((value or b"")[: 4 * MAX_TEXT].decode("utf-8", "replace"))[:MAX_ATTRIBUTE]


def _plain(text: str) -> str:
    return "".join(c if c.isprintable() else "�" for c in text[:MAX_TEXT])


def _recorded_at(timestamp: int, now: datetime) -> datetime:
    """When Kafka says the record came: its writer may have set that, but not into the future."""
    try:
        return min(now, datetime.fromtimestamp(timestamp / 1000, UTC))
    except (ValueError, OverflowError, OSError):
        return now


def _happened_at(claimed: bytes | None, recorded_at: datetime) -> datetime:
    """When the writer says it happened, if that fits to when it was published; else the latter."""
    try:
        at = datetime.fromisoformat((claimed or b"").decode("ascii", "replace"))
        believable = recorded_at - LATE <= at <= recorded_at + EARLY
    except (ValueError, TypeError, OverflowError):
        return recorded_at
    return at if believable else recorded_at
