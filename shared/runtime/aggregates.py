"""The aggregates of one transaction: each loaded once, all of a type with one statement, and saved where they changed."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from typing import Any, TypeVar

from shared.runtime.database import Changes, Loaded, Reader
from shared.runtime.inputs import Deliver
from shared.runtime.postgres.store import Store
from shared.runtime.reactions import Related, Search

T = TypeVar("T")
Stores = Mapping[type[Any], Store[Any]]
"""The stores of a service by the type of their aggregates, in the order of locking."""


class Aggregates:
    """Loads what work items need; a type that any of them may change is locked. ``partition_of``: by Kafka key."""

    def __init__(self, reader: Reader, stores: Stores, partition_of: Callable[[str], int]) -> None:
        self._reader, self._stores, self._partition_of = reader, stores, partition_of
        self._loaded: dict[type[Any], dict[str, Loaded[Any]]] = defaultdict(dict)
        self._absent: dict[type[Any], set[str]] = defaultdict(set)
        self._locks: set[type[Any]] = set()

    async def preload(self, items: Sequence[Deliver]) -> None:
        """Load all the aggregates the items name with one statement a type, then all those they need beside."""
        for reaction in {item.reaction.name: item.reaction for item in items}.values():
            self._locks |= reaction.changes
        main: dict[type[Any], set[str]] = defaultdict(set)
        for item in items:
            if item.reaction.aggregate:
                main[item.reaction.aggregate].add(item.reaction.id_of(item.trigger))
        await self._load(main)
        for depth in (0, 1):
            beside: dict[type[Any], set[str]] = defaultdict(set)
            for item in items:
                if any(isinstance(related.loads, Search) for related in item.reaction.related[: depth + 1]):
                    continue  # what a search finds is known when its reaction runs
                for wanted in item.reaction.related[depth : depth + 1]:
                    before = [self._pick(b, self._loads(item, b, [])) for b in item.reaction.related[:depth]]
                    beside[wanted.aggregate].update(self._loads(item, wanted, before))
            await self._load(beside)

    def own(self, kind: type[Any], aggregate_id: str) -> Loaded[Any]:
        """The aggregate, made blank where it does not exist yet."""
        if aggregate_id not in self._loaded[kind]:
            self._loaded[kind][aggregate_id] = self._stores[kind].blank(aggregate_id)
        return self._loaded[kind][aggregate_id]

    async def related(self, item: Deliver) -> dict[str, Mapping[str, Any]]:
        """What a reaction needs beside its own aggregate, as things stand now: by parameter, then by id."""
        related: dict[str, Mapping[str, Any]] = {}
        for wanted in item.reaction.related:
            if isinstance(wanted.loads, Search):
                ids = await self._search(item, wanted, wanted.loads, list(related.values()))
            else:
                ids = self._loads(item, wanted, list(related.values()))
            await self._load({wanted.aggregate: set(ids)})
            related[wanted.parameter] = self._pick(wanted, ids)
        return related

    def restore_point(self, item: Deliver, related: Mapping[str, Mapping[str, Any]]) -> Callable[[], None]:
        """Remember all that a reaction may change; what this returns sets it back."""
        kinds = {wanted.parameter: wanted.aggregate for wanted in item.reaction.related if wanted.writes}
        touched = [self.own(kind, i) for parameter, kind in kinds.items() for i in related[parameter]]
        if item.reaction.aggregate:
            touched.append(self.own(item.reaction.aggregate, item.reaction.id_of(item.trigger)))
        before = [(loaded, deepcopy(loaded.aggregate)) for loaded in touched]

        def restore() -> None:
            for loaded, aggregate in before:
                loaded.aggregate = aggregate

        return restore

    def changes(self) -> list[Changes]:
        """What became of those that reactions could change, type by type."""
        return [
            store.changes([one for _, one in sorted(self._loaded[kind].items())], self._partition_of)
            for kind, store in self._stores.items()
            if kind in self._locks and self._loaded[kind]
        ]

    def used(self) -> list[tuple[type[Any], str]]:
        """Those that reactions could change, by type and id."""
        return [(kind, i) for kind in self._locks for i in self._loaded[kind]]

    async def _load(self, wanted: Mapping[type[Any], set[str]]) -> None:
        for kind, store in self._stores.items():
            ids = wanted.get(kind, set()) - self._loaded[kind].keys() - self._absent[kind]
            if ids:
                found = await self._reader.load(store, ids, lock=kind in self._locks)
                self._loaded[kind].update(found)
                self._absent[kind] |= ids - found.keys()

    async def _search(self, item: Deliver, wanted: Related, search: Search, before: Iterable[Mapping[str, Any]]) -> list[str]:
        parameters = self._asked(item, search.parameters, before)
        if parameters is None:
            return []
        known = list(self._loaded[wanted.aggregate])  # as changed here, which the database cannot know yet
        return known + await self._reader.search(self._stores[wanted.aggregate], search.name, parameters, known)

    def _loads(self, item: Deliver, wanted: Related, before: Iterable[Mapping[str, Any]]) -> list[str]:
        assert not isinstance(wanted.loads, Search)
        return list(self._asked(item, wanted.loads, before))

    def _asked(self, item: Deliver, function: Callable[..., T], before: Iterable[Mapping[str, Any]]) -> T:
        own = self.own(item.reaction.aggregate, item.reaction.id_of(item.trigger)) if item.reaction.aggregate else None
        return function(*([own.aggregate] if own else []), item.trigger, *before)

    def _pick(self, wanted: Related, ids: Sequence[str]) -> dict[str, Any]:
        if wanted.writes:
            return {i: self.own(wanted.aggregate, i).aggregate for i in ids}
        known = self._loaded[wanted.aggregate]
        return {i: known[i].aggregate for i in ids if i in known}
