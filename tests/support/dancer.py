"""One service in memory: its real reactions, called on its aggregates as the runtime calls them."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from importlib import import_module
from typing import Any, Final, TypeVar

from services.cart import model as cart_model
from services.inventory import model as inventory_model
from services.order.rules import Rules, load_rules
from services.payment import model as payment_model
from shared.contract.envelope import Envelope
from shared.contract.message import Message
from shared.runtime.reactions import Reaction, Reactions, arguments

A = TypeVar("A")

CONTEXT: Final[Mapping[type[Any], Any]] = {
    cart_model.Policy: cart_model.Policy(session_seconds=1800),
    inventory_model.Policy: inventory_model.Policy(900, 1800, 300),
    payment_model.Policy: payment_model.Policy(attempts=4, backoff_seconds=1.0),
    Rules: load_rules(None),
}
"""What reactions ask for by type."""


class Dancer:
    """A service's reactions, its aggregates by type and id, and the ids of the messages it has handled."""

    def __init__(self, service: str) -> None:
        self.reactions: Reactions = import_module(f"services.{service}.reactions").reactions
        self.aggregates: dict[type[Any], dict[str, Any]] = defaultdict(dict)
        self.inbox: set[str] = set()
        self._numbers = 0

    def own(self, kind: type[A], aggregate_id: str) -> A:
        """An aggregate, made blank where it does not exist."""
        found: dict[str, A] = self.aggregates[kind]
        if aggregate_id not in found:
            make: Any = kind
            found[aggregate_id] = make(aggregate_id)
        return found[aggregate_id]

    def run(self, reaction: Reaction, trigger: Any, cause: Envelope, now: datetime) -> list[Message]:
        """What a reaction emits. Raises what it raises, and ``UndeclaredEmissionError`` for what it did not declare."""
        own = self.own(reaction.aggregate, reaction.id_of(trigger)) if reaction.aggregate else None
        related: dict[str, dict[str, Any]] = {}
        for wanted in reaction.related:
            ids = list(wanted.needs(*([own] if own is not None else []), trigger, *related.values()))
            known = self.aggregates[wanted.aggregate]
            related[wanted.parameter] = {i: self.own(wanted.aggregate, i) for i in ids if wanted.writes or i in known}
        emitted = reaction.run(arguments(reaction, trigger, cause, now, own, related, CONTEXT))
        self._number(own)
        return emitted

    def _number(self, own: Any) -> None:
        """An order's number is given by the database when its attempt is first stored."""
        if getattr(own, "number", 0) is None and own.cart_id:
            self._numbers += 1
            own.number = self._numbers
