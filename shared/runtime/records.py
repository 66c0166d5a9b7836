"""Records on their way out, and how much of any may be in hand."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

import orjson

from shared.contract.envelope import Headers
from shared.runtime.observability.logs import Ids

T = TypeVar("T")
IN_HAND_BYTES: Final = 16_000_000
"""Bytes of records at which no more are taken in hand, at each step on the way and however few they are."""


class Content(Protocol):
    """What is in a record, on its way in or out."""

    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Headers: ...


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A record to be sent, byte for byte. ``partition``: where it goes.

    ``home``: the partition of what caused it, whose owner sends it; where it goes, if that is not said.

    A reaction may yield one beside its messages, where it hands on what is no message of its own.
    """

    partition: int
    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers
    home: int | None = None

    @property
    def sent_by(self) -> int:
        """The partition whose owner sends it."""
        return self.partition if self.home is None else self.home


def size(record: Content) -> int:
    """Bytes of the key, the value and the headers."""
    headers = sum(len(name) + len(value or b"") for name, value in record.headers)
    return len(record.key or b"") + len(record.value or b"") + headers


def portions(items: Iterable[T], most: int, size_of: Callable[[T], int]) -> Iterator[list[T]]:
    """The items in their order, so many at a time; fewer where they have too many bytes together."""
    portion: list[T] = []
    taken = 0
    for item in items:
        more = size_of(item)
        if portion and (len(portion) == most or taken + more > IN_HAND_BYTES):
            yield portion
            portion, taken = [], 0
        portion.append(item)
        taken += more
    if portion:
        yield portion


def ids(record: Outgoing) -> Ids:
    """By what a log line about a record names it."""
    said = {name: (value or b"").decode(errors="replace") for name, value in reversed(record.headers)}
    names = {"message_id": "ce_id", "message_type": "ce_type", "subject": "ce_subject", "traceparent": "traceparent"}
    return {"topic": record.topic, "partition": record.partition, **{name: said.get(header) for name, header in names.items()}}


def pack(headers: Headers) -> bytes:
    """Headers as one value; each byte is a Latin-1 character, so that nothing is lost."""
    return orjson.dumps([(name, None if value is None else value.decode("latin-1")) for name, value in headers])


def unpack(packed: bytes) -> Headers:
    """The headers as they were."""
    return [(name, None if value is None else value.encode("latin-1")) for name, value in orjson.loads(packed)]
