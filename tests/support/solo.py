"""One service in memory: its real reactions, called on its aggregates as the runtime calls them."""

from datetime import timedelta
from importlib import import_module
from typing import Any, Final, TypeVar

from proofs.simulation.database import Database
from proofs.simulation.wiring import react
from shared.contract.envelope import Envelope
from shared.contract.message import Message
from shared.runtime.reactions import Reaction, Reactions, TimerFired
from tests.support.clock import NOW

A = TypeVar("A")
M = TypeVar("M", bound=Message)

PLAYED: Final[set[tuple[str, str]]] = set()
"""Service and name of every reaction that was played alone in this session."""


class Solo:
    """A service of a package that hears one message after the other. ``now`` is its clock."""

    def __init__(self, service: str, package: str = "services") -> None:
        self.reactions: Reactions = import_module(f"{package}.{service}.reactions").reactions
        assert self.reactions.service == service
        self.database = Database(1)
        self.service = service
        self.now = NOW

    @property
    def aggregates(self) -> dict[type[Any], dict[str, Any]]:
        """Those in the database, by type and id."""
        return self.database.aggregates

    def own(self, kind: type[A], aggregate_id: str) -> A:
        """An aggregate, made blank where it does not exist."""
        found: A = self.database.own(kind, aggregate_id)
        return found

    def hear(self, trigger: Any, message_id: str = "m1", **more: Any) -> list[Message]:
        """What it emits at a message, or at an answer from outside. ``more``: what else its envelope says."""
        reaction = self.reactions.by_trigger[type(trigger)]
        PLAYED.add((self.service, reaction.name))
        key = trigger.key if isinstance(trigger, Message) else "-"
        envelope = Envelope(message_id, "/tests", type(trigger).__name__, key, "-", **more)
        return self.run(reaction, trigger, envelope)

    def hear_all(self, *triggers: Any) -> list[Message]:
        """All it emits at these, one after the other."""
        return [message for trigger in triggers for message in self.hear(trigger)]

    def pass_time(self, kind: type[Any], aggregate_id: str, **later: float) -> list[Message]:
        """What it emits when so much time has passed and the aggregate's deadline with it; fails where it has none."""
        self.now += timedelta(**later)
        due_at = self.own(kind, aggregate_id).due_at
        assert due_at is not None, f"{aggregate_id} has no deadline"
        assert due_at <= self.now, f"the deadline of {aggregate_id} is {due_at - self.now} away"
        reaction = self.reactions.timers[kind]
        PLAYED.add((self.service, reaction.name))
        emitted = self.run(reaction, TimerFired(aggregate_id), Envelope("due", "/tests", "TimerFired", "-", "-"))
        assert self.own(kind, aggregate_id).due_at != due_at, f"{reaction.name} left the deadline where it was"
        return emitted

    def run(self, reaction: Reaction, trigger: Any, cause: Envelope) -> list[Message]:
        """What a reaction emits. Raises what it raises, and ``UndeclaredEmissionError`` for what it did not declare."""
        own: Any = self.own(reaction.aggregate, reaction.id_of(trigger)) if reaction.aggregate else None
        _, emitted = react(self.database, reaction, own, trigger, cause, self.now)
        return emitted


def only(kind: type[M], emitted: list[Message]) -> M:
    """The one message that was emitted, which is of this type."""
    assert [type(message) for message in emitted] == [kind], emitted
    (message,) = emitted
    assert isinstance(message, kind)
    return message


def codes(message: Any) -> list[str]:
    """The codes of its reasons."""
    return [reason.code for reason in message.reasons]
