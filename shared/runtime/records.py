"""Records on their way out."""

from dataclasses import dataclass

import orjson

from shared.contract.envelope import Headers
from shared.telemetry.logs import Ids


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A record to be sent, byte for byte. ``lane``: the partition it goes to.

    A reaction may yield one beside its messages, where it hands on what is no message of its own.
    """

    lane: int
    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers


def ids(record: Outgoing) -> Ids:
    """By what a log line about a record names it."""
    said = {name: (value or b"").decode(errors="replace") for name, value in reversed(record.headers)}
    names = {"message_id": "ce_id", "message_type": "ce_type", "subject": "ce_subject", "traceparent": "traceparent"}
    return {"topic": record.topic, "partition": record.lane, **{name: said.get(header) for name, header in names.items()}}


def pack(headers: Headers) -> bytes:
    """Headers as one value; each byte is a Latin-1 character, so that nothing is lost."""
    return orjson.dumps([(name, None if value is None else value.decode("latin-1")) for name, value in headers])


def unpack(packed: bytes) -> Headers:
    """The headers as they were."""
    return [(name, None if value is None else value.encode("latin-1")) for name, value in orjson.loads(packed)]
