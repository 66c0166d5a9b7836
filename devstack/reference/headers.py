"""The headers of the records, as JSON Schemas: the CloudEvents attributes, and why a record is a dead letter."""

from typing import Any, Final

from devstack.reference.examples import AT
from devstack.reference.schemas import Schema
from shared.contract.dead_letter import ERRORS, failure_headers
from shared.contract.envelope import MAX_ATTRIBUTE
from shared.contract.message import Message

_ATTRIBUTE: Final = {"type": "string", "minLength": 1, "maxLength": MAX_ATTRIBUTE}
_SENT: Final[dict[str, dict[str, Any]]] = {
    "ce_specversion": {"const": "1.0", "description": "Of CloudEvents."},
    "ce_id": {**_ATTRIBUTE, "description": "With `ce_source`: what an inbox knows the message by, however often it comes."},
    "ce_source": {**_ATTRIBUTE, "description": "Who sent it, such as `/quadrille/cart`."},
    "ce_type": {**_ATTRIBUTE, "description": "The message and its version."},
    "ce_subject": {**_ATTRIBUTE, "description": "The checkout it is about; where there is none, the key."},
    "ce_time": {"type": "string", "format": "date-time", "description": "When it happened, in UTC."},
    "ce_partitionkey": {**_ATTRIBUTE, "description": "The Kafka key."},
    "ce_correlationid": {**_ATTRIBUTE, "description": "The command all of this began with; with it the story is told."},
    "ce_causationid": {**_ATTRIBUTE, "description": "The message this one follows from; missing in what clients send."},
    "content-type": {"const": "application/json"},
    "traceparent": {**_ATTRIBUTE, "description": "W3C Trace Context, passed on."},
}
_READ: Final = ("ce_id", "ce_source", "ce_type")

_FAILED: Final = {
    "topic": "Where the record was read; empty for a timer, which is in no topic.",
    "partition": "Its partition.",
    "offset": "Its offset.",
    "exception.class.name": "The error.",
    "exception.message": "The error in words.",
    "stage": "`read`, or the reaction that failed.",
    "quadrille.service": "The service that failed.",
    "quadrille.attempts": "How often it was tried.",
    "quadrille.failed_at": "When it failed, in UTC.",
}
"""What is known to say of a failure; a name that is not here stands for itself."""


def cloud_events() -> Schema:
    """The attributes of every message, in CloudEvents' binary mode. Readers need no more than the required ones."""
    return {
        "type": "object",
        "description": "CloudEvents 1.0, Kafka binding, binary mode; UTF-8.",
        "required": list(_READ),
        "properties": _SENT,
    }


def of(kind: type[Message], at: str) -> Schema:
    """The headers of one message; ``at``: where the attributes of every message stand."""
    return {"type": "object", "allOf": [{"$ref": at}, {"properties": {"ce_type": {"const": kind.type_name()}}}]}


def failure() -> Schema:
    """What a dead letter has beside the headers of the record that failed, under the names Kafka Connect uses."""
    sent = failure_headers("", "", "", 0, 0, "", "", AT)
    names = [name for name, _ in sent]
    return {
        "type": "object",
        "description": "Why the record is a dead letter, beside the headers it came with. Texts, UTF-8.",
        "required": names,
        "properties": {
            name: {"type": "string", "description": _FAILED.get(name.removeprefix(ERRORS), name.removeprefix(ERRORS))}
            for name in names
        },
    }
