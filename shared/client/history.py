"""What a client remembers: the events of the keys it asked about, within a bound, and of no others."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from shared.contract.envelope import Envelope
from shared.contract.message import Message

MAX_BYTES: Final = 4_000_000
"""Bytes of records that are remembered; in memory they take about three times as much."""
KEY_BYTES: Final = 200
"""What a key takes of that without any event."""


@dataclass(frozen=True, slots=True)
class Seen:
    """An event this client saw. ``at``: seconds of the monotonic clock. ``number``: counts what the client saw."""

    envelope: Envelope
    event: Message
    at: float
    number: int


@dataclass(slots=True)
class _Key:
    seen: list[Seen] = field(default_factory=list)
    dead: bytes | None = None
    size: int = KEY_BYTES
    waiting: int = 0


class History:
    """Events by key. The key that was used longest ago, and that nobody waits for, is forgotten first."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._keys: OrderedDict[str, _Key] = OrderedDict()
        self._max_bytes, self.size, self.count = max_bytes, 0, 0

    def follow(self, key: str) -> None:
        """Remember from now on what comes with this key."""
        if key in self._keys:
            self._keys.move_to_end(key)
            return
        self._keys[key] = _Key()
        self._grow(KEY_BYTES)

    def follows(self, key: str) -> bool:
        """Whether what comes with this key is remembered."""
        return key in self._keys

    def add(self, key: str, envelope: Envelope, event: Message, at: float, size: int) -> None:
        """Remember an event of a key that is followed. ``size``: bytes of its record."""
        known = self._keys[key]
        self.count += 1
        known.seen.append(Seen(envelope, event, at, self.count))
        known.size += size
        self._keys.move_to_end(key)
        self._grow(size)

    def add_dead(self, key: str, value: bytes) -> None:
        """Remember the first dead letter of a key that is followed."""
        known = self._keys[key]
        if known.dead is None:
            known.dead = value
            known.size += len(value)
            self._grow(len(value))

    def dead(self, key: str) -> bytes | None:
        """The first dead letter with this key."""
        return self._keys[key].dead if key in self._keys else None

    def seen(self, key: str, after: int = 0) -> list[Seen]:
        """The events of a key, as they came, without the first ``after`` the client saw of all keys."""
        return [seen for seen in self._keys[key].seen if seen.number > after] if key in self._keys else []

    def forget(self, keys: Iterable[str]) -> None:
        """Drop these keys and what came with them."""
        for key in keys:
            if known := self._keys.pop(key, None):
                self.size -= known.size

    @contextmanager
    def waiting_for(self, key: str) -> Iterator[None]:
        """Follow a key and do not forget it meanwhile, however much comes."""
        self.follow(key)
        known = self._keys[key]
        known.waiting += 1
        try:
            yield
        finally:
            known.waiting -= 1

    def _grow(self, size: int) -> None:
        self.size += size
        if self.size > self._max_bytes:
            oldest = (key for key, known in list(self._keys.items())[:-1] if not known.waiting)
            for key in oldest:
                self.forget([key])
                if self.size <= self._max_bytes:
                    return
