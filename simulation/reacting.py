"""One reaction run on the books of a service, as the runtime runs it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from shared.contract.envelope import Envelope
from shared.contract.message import Message
from shared.runtime.reactions import Due, Reaction, arguments
from simulation.database import Database, Draft
from simulation.troubles import DeadLetter


def react(
    books: Database | Draft,
    reaction: Reaction,
    own: Any,
    trigger: Any,
    cause: Envelope,
    now: datetime,
    context: Mapping[type[Any], Any],
) -> tuple[dict[str, Mapping[str, Any]], list[Any]]:
    """Run a reaction on its aggregate ``own``; returns those related, by parameter and id, and what it emits."""
    related: dict[str, Mapping[str, Any]] = {}
    for wanted in reaction.related:
        before = related.values()
        ids = wanted.needs(trigger, *before) if own is None else wanted.needs(own, trigger, *before)
        if wanted.writes:
            related[wanted.parameter] = {i: books.own(wanted.aggregate, i) for i in ids}
        else:
            related[wanted.parameter] = {i: a for i in ids if (a := books.find(wanted.aggregate, i)) is not None}
    return related, reaction.run(arguments(reaction, trigger, cause, now, own, related, context))


def inner_cause(service: str, trigger: Any, own: Any) -> Envelope:
    """The envelope of a deadline or an answer, named as the runtime names it."""
    if isinstance(trigger, Due):
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
