"""From what was asked for to the part of the journal that answers it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from services.journal import queries
from services.journal.queries import MATCHES, Match, Reading
from services.journal.stands import Stands, stands
from services.journal.story import Node, checkouts_around, forest, of_checkout
from shared.errors import QuadrilleError
from shared.progress import Limits

_KINDS = {"order": "order", "checkout": "checkout", "payment": "payment", "key": "cart or SKU", "message": "message"}


class NotOneError(QuadrilleError):
    """Nothing is called so, or too much; the message says which."""


@dataclass(frozen=True)
class Trace:
    """A story, or the part of it that concerns one checkout. ``message_id``: the message that was asked for."""

    story: str
    checkout_id: str | None
    message_id: str | None
    roots: Sequence[Node]
    stands: Sequence[Stands]
    reading: Reading
    shortened: bool

    @property
    def finished(self) -> bool:
        """Whether nothing is to come any more."""
        return bool(self.stands) and all(one.finished for one in self.stands)


async def one(db: Any, name: str) -> Match:
    """The one thing that is called so or begins so. Raises :class:`NotOneError`.

    A cart stands for its checkouts and orders where it is called so too; several checkouts of one cart stand for the cart.
    """
    found = await queries.find(db, name)
    keys = {match.story for match in found}
    if not found:
        raise NotOneError(queries.unknown(name))
    if len(keys) > 1:
        raise NotOneError(_which(name, found))
    named = {match.checkout_id: match for match in found}
    if None not in named and len(named) == 1:
        return found[0]
    return (
        next((m for m in found if m.kind == "key"), None)
        or named.get(None)
        or Match("key", found[0].story, found[0].story, None)
    )


def _which(name: str, found: Sequence[Match]) -> str:
    """What there is to choose from: each cart or SKU once."""
    choices: dict[str, Match] = {}
    for match in found:
        if match.kind == "key" or match.story not in choices:
            choices[match.story] = match
    shown = [f"  {_KINDS[match.kind]:<12} {match.name}" for match in list(choices.values())[:MATCHES]]
    more = ["  and more"] if len(choices) > MATCHES else []
    return "\n".join([f"{name!r} may be:", *shown, *more])


async def trace(db: Any, match: Match, limits: Limits) -> Trace:
    """What the journal holds of a match, as it is now."""
    entries = await queries.story(db, match.story)
    reading = await queries.reading(db)
    roots = forest(entries)
    message_id = match.name if match.kind == "message" else None
    checkout_id = match.checkout_id or _only(checkouts_around(roots, message_id) if message_id else set())
    found = stands(entries, limits, reading.now)
    shortened = len(entries) == queries.STORY_LIMIT
    if checkout_id is not None:
        roots = of_checkout(roots, checkout_id)
        found = [one for one in found if one.checkout_id == checkout_id]
    return Trace(match.story, checkout_id, message_id, roots, found, reading, shortened)


def _only(found: set[str]) -> str | None:
    return next(iter(found)) if len(found) == 1 else None
