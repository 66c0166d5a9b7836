"""A service's database: what outlives every crash of its processes. A commit of it is one step of the world."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from proofs.simulation.watch import BrokenError
from services.order.model import OrderNumber
from shared.contract.envelope import Envelope
from shared.runtime.reactions import is_aggregate


@dataclass(slots=True, eq=False)
class Row:
    """A row of the outbox, from the moment on when it is ``committed``.

    ``published``: it was sent at least once, whether or not anybody remembers.
    """

    id: int
    partition: int
    envelope: Envelope
    message: Any
    committed: bool = False
    published: bool = False


class Database:
    """Aggregates by type and id, the inbox, the outbox and the epochs of the partitions."""

    __slots__ = ("_numbers", "aggregates", "epochs", "inbox", "outbox", "rows")

    def __init__(self, partitions: int) -> None:
        self.aggregates: dict[type[Any], dict[str, Any]] = defaultdict(dict)
        self.inbox: dict[str, Any] = {}
        self.outbox: list[list[Row]] = [[] for _ in range(partitions)]
        self.epochs = [0] * partitions
        self.rows = 0
        self._numbers = 0

    def own(self, kind: type[Any], aggregate_id: str) -> Any:
        """The aggregate, to be changed; made blank where it does not exist."""
        table = self.aggregates[kind]
        found = table.get(aggregate_id)
        if found is None:
            found = table[aggregate_id] = kind(aggregate_id)
        return found

    def find(self, kind: type[Any], aggregate_id: str) -> Any | None:
        """The aggregate, to be read; nothing where it does not exist. An order's number is drawn."""
        if kind is OrderNumber:
            self._numbers += 1
            return OrderNumber(aggregate_id, self._numbers)
        return self.aggregates[kind].get(aggregate_id)

    def ids(self, kind: type[Any]) -> list[str]:
        """The ids of all that exist."""
        return list(self.aggregates[kind])

    def is_new(self, message_id: str, message: Any) -> bool:
        """Remember a message; returns whether it was never handled before. An id is never used for another."""
        if message_id in self.inbox:
            if self.inbox[message_id] != message:
                raise BrokenError("ids", message_id, f"is used for {self.inbox[message_id]!r} and for {message!r}")
            return False
        self.inbox[message_id] = message
        return True


class Draft:
    """A transaction that will be rolled back: it works on copies."""

    def __init__(self, database: Any) -> None:
        self._database = database
        self._copies: dict[tuple[type[Any], str], Any] = {}

    def own(self, kind: type[Any], aggregate_id: str) -> Any:
        """A copy, to be changed."""
        found = self._copies.get((kind, aggregate_id))
        if found is None:
            original = self._database.find(kind, aggregate_id)
            found = kind(aggregate_id) if original is None else copied(original)
            self._copies[kind, aggregate_id] = found
        return found

    def find(self, kind: type[Any], aggregate_id: str) -> Any | None:
        """The copy, where there is one; else the original, to be read."""
        return self._copies.get((kind, aggregate_id)) or self._database.find(kind, aggregate_id)

    def ids(self, kind: type[Any]) -> list[str]:
        """The ids of all that exist, here or there."""
        copied_here = (aggregate_id for of, aggregate_id in self._copies if of is kind)
        return list(dict.fromkeys([*self._database.ids(kind), *copied_here]))


def copied(aggregate: Any) -> Any:
    """An aggregate that shares nothing that can change with the original."""
    made: Any = object.__new__(type(aggregate))
    for name in aggregate.__dataclass_fields__:
        value = getattr(aggregate, name)
        if isinstance(value, dict | list):
            value = value.copy()
        elif _can_change(type(value)):
            value = copied(value)
        setattr(made, name, value)
    return made


_can_change: Final[Callable[[Any], bool]] = cache(is_aggregate)
