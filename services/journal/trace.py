"""Finds the part of the journal that a name stands for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from services.journal import queries
from services.journal.queries import MATCHES, JournalLag, Match
from services.journal.reports import CheckoutReport, report
from services.journal.timeline import Node, checkouts_around, forest, of_checkout
from shared.errors import QuadrilleError
from shared.progress import Limits

_KINDS = {"order": "order", "checkout": "checkout", "payment": "payment", "key": "cart or SKU", "message": "message"}


class NotOneError(QuadrilleError):
    """No match, or several; the message lists them."""


@dataclass(frozen=True)
class Trace:
    """The timeline of a key, or the part of it that concerns one checkout. ``message_id``: the message that was asked for."""

    key: str
    checkout_id: str | None
    message_id: str | None
    roots: Sequence[Node]
    checkouts: Sequence[CheckoutReport]
    lag: JournalLag
    shortened: bool

    @property
    def finished(self) -> bool:
        """Whether every checkout is finished."""
        return bool(self.checkouts) and all(one.finished for one in self.checkouts)


async def one(db: Any, name: str) -> Match:
    """Find the one match of a name or its prefix. Raises :class:`NotOneError`.

    A cart that matches includes its checkouts and orders; several checkouts of one cart resolve to the cart.
    """
    found = await queries.find(db, name)
    keys = {match.key for match in found}
    if not found:
        raise NotOneError(queries.unknown(name))
    if len(keys) > 1:
        raise NotOneError(_which(name, found))
    named = {match.checkout_id: match for match in found}
    if None not in named and len(named) == 1:
        return found[0]
    return (
        next((m for m in found if m.kind == "key"), None) or named.get(None) or Match("key", found[0].key, found[0].key, None)
    )


def _which(name: str, found: Sequence[Match]) -> str:
    """The matches, each cart or SKU once."""
    choices: dict[str, Match] = {}
    for match in found:
        if match.kind == "key" or match.key not in choices:
            choices[match.key] = match
    shown = [f"  {_KINDS[match.kind]:<12} {match.name}" for match in list(choices.values())[:MATCHES]]
    more = ["  and more"] if len(choices) > MATCHES else []
    return "\n".join([f"{name!r} matches several:", *shown, *more])


async def trace(db: Any, match: Match, limits: Limits) -> Trace:
    """Read the timeline of a match as it is now."""
    entries = await queries.entries(db, match.key)
    lag = await queries.lag(db)
    roots = forest(entries)
    message_id = match.name if match.kind == "message" else None
    checkout_id = match.checkout_id or _only(checkouts_around(roots, message_id) if message_id else set())
    found = report(entries, limits, lag.now)
    shortened = len(entries) == queries.ENTRY_LIMIT
    if checkout_id is not None:
        roots = of_checkout(roots, checkout_id)
        found = [one for one in found if one.checkout_id == checkout_id]
    return Trace(match.key, checkout_id, message_id, roots, found, lag, shortened)


def _only(found: set[str]) -> str | None:
    return next(iter(found)) if len(found) == 1 else None
