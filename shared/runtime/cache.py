"""The aggregates of the last commits, as they were written.

A commit checks the version of each aggregate it has used, so what is kept here may be out of date without doing any harm:
the commit is refused, forgets what it used, and is tried again with locks.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from shared.runtime.database import Changes, Loaded, Origin, Reader
from shared.runtime.postgres.store import Store

A = TypeVar("A")
MOST_BYTES: Final = 32_000_000
ONE_BYTES: Final = 262_144
"""A larger aggregate is not kept."""


@dataclass(frozen=True, slots=True)
class _Kept:
    version: int
    body: bytes
    origin: Origin | None


class Cache:
    """Aggregates by store and id, those that were not used for the longest time forgotten first."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[type[Any], str], _Kept] = OrderedDict()
        self._bytes = 0

    def find(self, store: Store[A], ids: Iterable[str]) -> dict[str, Loaded[A]]:
        """Those of these that are kept, each made anew."""
        found: dict[str, Loaded[A]] = {}
        for i in ids:
            key = store.kind, i
            if kept := self._kept.get(key):
                self._kept.move_to_end(key)
                found[i] = store.from_body(kept.body, kept.version, kept.origin)
        return found

    def keep(self, changes: Iterable[Changes]) -> None:
        """Keep what a commit has used, as it is now."""
        for made in changes:
            store = made.store
            for one, body in zip(made.changed, made.bodies, strict=True):
                self._put(store, one, _Kept(one.version + 1, body, one.story))
            for one in made.same:
                self._put(store, one, _Kept(one.version, one.before, one.origin))
        while self._bytes > MOST_BYTES:
            _, kept = self._kept.popitem(last=False)
            self._bytes -= len(kept.body)

    def _put(self, store: Store[Any], one: Loaded[Any], kept: _Kept) -> None:
        key = store.kind, store.id_of(one.aggregate)
        self._drop(key)
        if kept.version and len(kept.body) <= ONE_BYTES:
            self._kept[key] = kept
            self._bytes += len(kept.body)

    def forget(self, kind: type[Any], aggregate_id: str) -> None:
        """Read it anew when it is wanted next."""
        self._drop((kind, aggregate_id))

    def clear(self) -> None:
        """Read everything anew."""
        self._kept.clear()
        self._bytes = 0

    def _drop(self, key: tuple[type[Any], str]) -> None:
        if kept := self._kept.pop(key, None):
            self._bytes -= len(kept.body)


class CachedReader:
    """Reads what may be changed from the cache, and all else, and what is not there, from the database."""

    def __init__(self, cache: Cache, reader: Reader) -> None:
        self._cache, self._reader = cache, reader

    async def load(self, store: Store[A], ids: Iterable[str], *, lock: bool) -> dict[str, Loaded[A]]:
        """Those that exist, by id."""
        wanted = set(ids)
        found = self._cache.find(store, wanted) if lock else {}
        if missing := wanted - found.keys():
            found |= await self._reader.load(store, missing, lock=lock)
        return found

    async def search(self, store: Store[Any], name: str, parameters: Mapping[str, Any], known: Sequence[str]) -> list[str]:
        """The ids that a search finds."""
        return await self._reader.search(store, name, parameters, known)
