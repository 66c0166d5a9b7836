"""The reactions of a service as its registry wires them, and how one is run on its books."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from importlib import import_module
from typing import Any, Final

from proofs.simulation.database import Database, Draft
from proofs.simulation.faults import DeadLetter
from proofs.simulation.races import SEEN
from services.payment.model import Policy
from shared.contract.envelope import Envelope
from shared.contract.message import Message
from shared.contract.services import SERVICES
from shared.runtime.reactions import Reaction, Search, TimerFired, arguments
from shared.settings import Settings, checked

_GIVEN: Final = {"GATEWAY_URL": "none", "GATEWAY_API_KEY": "none", "PAYMENT_ATTEMPTS": 4, "PAYMENT_BACKOFF_SECONDS": 1.0}
_SETTINGS: Final = checked(Settings, "", _GIVEN)
CONTEXT: Final[dict[type[Any], Any]] = {
    kind: value
    for service in SERVICES
    for kind, value in import_module(f"services.{service}.__main__").define(_SETTINGS).context.items()
}
"""What reactions ask for by type. A customer waits a minute for an authorization, so that it is given up in stories."""
CONTEXT[Policy] = replace(CONTEXT[Policy], authorize_within=timedelta(minutes=1))


@dataclass(frozen=True)
class Deadline(TimerFired):
    """The trigger of a deadline, and the type of the aggregate whose deadline it is."""

    kind: type[Any]


class Wired:
    """One reaction. ``timed``, ``stateful``: whether its aggregate has a deadline, a state.

    ``seen`` names the race that was decided in it, if any was.
    """

    __slots__ = ("id_name", "kind", "name", "reaction", "seen", "stateful", "timed")

    def __init__(self, reaction: Reaction) -> None:
        self.reaction, self.name, self.kind = reaction, reaction.name, reaction.aggregate
        fields = getattr(reaction.aggregate, "__dataclass_fields__", {})
        self.stateful, self.timed = "state" in fields, "due_at" in fields
        self.id_name = reaction.id_name
        self.seen = SEEN.get(reaction.name)

    def own(self, books: Any, trigger: Any) -> Any:
        """The aggregate a trigger concerns, in the books of a database or a draft; nothing where there is none."""
        return books.own(self.kind, getattr(trigger, self.id_name)) if self.kind is not None else None


class Wiring:
    """The reactions of a service, by the type of their trigger, and by the aggregate whose deadline it is."""

    def __init__(self, service: str) -> None:
        reactions = import_module(f"services.{service}.reactions").reactions
        self.by_trigger = {trigger: Wired(reaction) for trigger, reaction in reactions.by_trigger.items()}
        self.timers = {kind: Wired(reaction) for kind, reaction in reactions.timers.items()}
        self.topics: dict[str, list[type[Message]]] = {}
        for trigger in self.by_trigger:
            if issubclass(trigger, Message):
                self.topics.setdefault(trigger.topic, []).append(trigger)

    @property
    def kinds(self) -> dict[str, type[Message]]:
        """The types of message that come through Kafka, by name."""
        return {kind.__name__: kind for kinds in self.topics.values() for kind in kinds}

    def of(self, trigger: Any) -> Wired:
        """The reaction to a trigger."""
        found = self.by_trigger.get(type(trigger))
        return found if found is not None else self.timers[trigger.kind]


@cache
def wiring(service: str) -> Wiring:
    """Those of a service."""
    return Wiring(service)


def react(
    books: Database | Draft,
    reaction: Reaction,
    own: Any,
    trigger: Any,
    cause: Envelope,
    now: datetime,
) -> tuple[dict[str, Mapping[str, Any]], list[Any]]:
    """Run a reaction on its aggregate ``own``; returns those related, by parameter and id, and what it emits."""
    related: dict[str, Mapping[str, Any]] = {}
    for wanted in reaction.related:
        given = [trigger, *related.values()] if own is None else [own, trigger, *related.values()]
        if isinstance(wanted.loads, Search):
            ids: Iterable[str] = books.ids(wanted.aggregate) if wanted.loads.parameters(*given) is not None else []
        else:
            ids = wanted.loads(*given)
        if wanted.writes:
            related[wanted.parameter] = {i: books.own(wanted.aggregate, i) for i in ids}
        else:
            related[wanted.parameter] = {i: a for i in ids if (a := books.find(wanted.aggregate, i)) is not None}
    return related, reaction.run(arguments(reaction, trigger, cause, now, own, related, CONTEXT))


def inner_cause(service: str, trigger: Any, own: Any) -> Envelope:
    """The envelope of a deadline or an answer, named as the runtime names it."""
    if isinstance(trigger, TimerFired):
        cause_id = f"due/{type(own).__name__}/{trigger.aggregate_id}/{own.due_at.isoformat()}"
    else:
        cause_id = trigger.id
    return Envelope(cause_id, f"/quadrille/{service}", type(trigger).__name__, own.cart_id, cause_id)


def envelope(service: str, cause: Envelope, index: int, message: Message | DeadLetter) -> Envelope:
    """The envelope of the ``index``-th message ``service`` emits because of ``cause``.

    Its id is a function of these three, as in the runtime; here it can be read, too.
    """
    name = f"{cause.id}>{service}{index}"
    return Envelope(name, f"/quadrille/{service}", type(message).__name__, message.key, cause.correlation_id, cause.id)
