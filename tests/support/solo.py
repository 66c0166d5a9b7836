"""A dancer alone on the floor: what it does when it hears something, in unit tests."""

from datetime import timedelta
from typing import Any, Final, TypeVar

from shared.contract.envelope import Envelope
from shared.contract.message import Message
from shared.runtime.reactions import Due
from tests.support.clock import NOW
from tests.support.dancer import Dancer

M = TypeVar("M", bound=Message)

PLAYED: Final[set[tuple[str, str]]] = set()
"""Service and name of every reaction that was played alone in this session."""


class Solo(Dancer):
    """A service that hears one message after the other. ``now`` is its clock."""

    def __init__(self, service: str) -> None:
        super().__init__(service)
        self.service = service
        self.now = NOW

    def hear(self, trigger: Any, message_id: str = "m1", **more: Any) -> list[Message]:
        """What it emits at a message, or at an answer from outside. ``more``: what else its envelope says."""
        reaction = self.reactions.by_trigger[type(trigger)]
        PLAYED.add((self.service, reaction.name))
        key = trigger.key if isinstance(trigger, Message) else "-"
        envelope = Envelope(message_id, "/tests", type(trigger).__name__, key, "-", **more)
        return self.run(reaction, trigger, envelope, self.now)

    def hear_all(self, *triggers: Any) -> list[Message]:
        """All it emits at these, one after the other."""
        return [message for trigger in triggers for message in self.hear(trigger)]

    def pass_time(self, kind: type[Any], aggregate_id: str, **later: float) -> list[Message]:
        """What it emits when so much time has passed and the aggregate's deadline with it; fails where it has none."""
        self.now += timedelta(**later)
        due_at = self.own(kind, aggregate_id).due_at
        assert due_at is not None, f"{aggregate_id} has no deadline"
        assert due_at <= self.now, f"the deadline of {aggregate_id} is {due_at - self.now} away"
        reaction = self.reactions.by_deadline[kind]
        PLAYED.add((self.service, reaction.name))
        emitted = self.run(reaction, Due(aggregate_id), Envelope("due", "/tests", "Due", "-", "-"), self.now)
        assert self.own(kind, aggregate_id).due_at != due_at, f"{reaction.name} left the deadline where it was"
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
