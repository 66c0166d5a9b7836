"""A reaction, with what the simulation asks of it a million times worked out once."""

from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

from shared.contract.message import Message
from shared.runtime.reactions import Due, Reaction
from simulation.races import SEEN


@dataclass(frozen=True)
class Deadline(Due):
    """The trigger of a deadline, and the type of the aggregate whose deadline it is."""

    kind: type[Any]


class Part:
    """One reaction. ``timed``, ``stateful``, ``numbered``: whether its aggregate has a deadline, a state, a number.

    ``seen`` names the race that was decided in it, if any was.
    """

    __slots__ = ("id_name", "kind", "name", "numbered", "reaction", "seen", "stateful", "timed")

    def __init__(self, reaction: Reaction) -> None:
        self.reaction, self.name, self.kind = reaction, reaction.name, reaction.aggregate
        fields = getattr(reaction.aggregate, "__dataclass_fields__", {})
        self.stateful, self.timed, self.numbered = "state" in fields, "due_at" in fields, "number" in fields
        self.id_name = reaction.id_name
        self.seen = SEEN.get(reaction.name)

    def own(self, books: Any, trigger: Any) -> Any:
        """The aggregate a trigger concerns, in the books of a database or a draft; nothing where there is none."""
        return books.own(self.kind, getattr(trigger, self.id_name)) if self.kind is not None else None


class Parts:
    """The reactions of a service, by the type of their trigger, and by the aggregate whose deadline it is."""

    def __init__(self, service: str) -> None:
        reactions = import_module(f"services.{service}.reactions").reactions
        self.by_trigger = {trigger: Part(reaction) for trigger, reaction in reactions.by_trigger.items()}
        self.by_deadline = {kind: Part(reaction) for kind, reaction in reactions.by_deadline.items()}
        self.topics: dict[str, list[type[Message]]] = {}
        for trigger in self.by_trigger:
            if issubclass(trigger, Message):
                self.topics.setdefault(trigger.topic, []).append(trigger)

    def of(self, trigger: Any) -> Part:
        """The reaction to a trigger."""
        found = self.by_trigger.get(type(trigger))
        return found if found is not None else self.by_deadline[trigger.kind]


@cache
def parts(service: str) -> Parts:
    """Those of a service."""
    return Parts(service)
