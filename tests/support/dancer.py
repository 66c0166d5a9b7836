"""One service in memory: its real reactions, called on its aggregates as the runtime calls them."""

from datetime import datetime
from importlib import import_module
from typing import Any, TypeVar

from proofs.simulation.database import Database
from proofs.simulation.wiring import react
from shared.contract.envelope import Envelope
from shared.contract.message import Message
from shared.runtime.reactions import Reaction, Reactions

A = TypeVar("A")


class Dancer:
    """A service's reactions and its database."""

    def __init__(self, service: str) -> None:
        self.reactions: Reactions = import_module(f"services.{service}.reactions").reactions
        assert self.reactions.service == service
        self.database = Database(1)

    @property
    def aggregates(self) -> dict[type[Any], dict[str, Any]]:
        """Those in the database, by type and id."""
        return self.database.aggregates

    def own(self, kind: type[A], aggregate_id: str) -> A:
        """An aggregate, made blank where it does not exist."""
        found: A = self.database.own(kind, aggregate_id)
        return found

    def run(self, reaction: Reaction, trigger: Any, cause: Envelope, now: datetime) -> list[Message]:
        """What a reaction emits. Raises what it raises, and ``UndeclaredEmissionError`` for what it did not declare."""
        own: Any = self.own(reaction.aggregate, reaction.id_of(trigger)) if reaction.aggregate else None
        _, emitted = react(self.database, reaction, own, trigger, cause, now)
        return emitted
