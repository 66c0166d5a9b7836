"""Which items of a batch are new: what the inbox knows is not handled again, and an id used for two messages is told."""

from collections.abc import Mapping, Sequence

from shared.runtime.database import Seen, Transaction
from shared.runtime.inputs import WorkItem, identity, reused

Name = tuple[str, str]


async def sifted(transaction: Transaction, items: Sequence[WorkItem]) -> tuple[list[WorkItem], list[WorkItem]]:
    """The items not handled before, each once and in their order, and those that were. All are remembered from now on.

    One that has the id of another, and another content, is not that one come again: it is among the first, as what refuses it.
    """
    unseen, repeated = await _told_apart(transaction, [(item, identity(item)) for item in items])
    if not repeated:
        return [item for item, _ in unseen.values()], []
    spoilt = await _reused(transaction, unseen, repeated)
    new, known = await _told_apart(transaction, [(item, identity(item)) for item in spoilt.values()])
    places = list(spoilt)
    first = {place: item for place, (item, _) in unseen.items()} | {places[place]: item for place, (item, _) in new.items()}
    left = {place: item for place, (item, _) in repeated.items() if place not in spoilt}
    left |= {places[place]: item for place, (item, _) in known.items()}
    return [first[place] for place in sorted(first)], [left[place] for place in sorted(left)]


Placed = Mapping[int, tuple[WorkItem, Seen | None]]
"""Items by their place in the batch, and what the inbox knows them by."""


async def _told_apart(transaction: Transaction, items: Sequence[tuple[WorkItem, Seen | None]]) -> tuple[Placed, Placed]:
    named = [seen for _, seen in items if seen is not None]
    new = await transaction.remember(named) if named else set()
    unseen: dict[int, tuple[WorkItem, Seen | None]] = {}
    repeated: dict[int, tuple[WorkItem, Seen | None]] = {}
    for place, (item, seen) in enumerate(items):
        if seen is None or seen.name in new:
            unseen[place] = item, seen
            if seen is not None:
                new.remove(seen.name)
        else:
            repeated[place] = item, seen
    return unseen, repeated


async def _reused(transaction: Transaction, unseen: Placed, repeated: Placed) -> dict[int, WorkItem]:
    """Of the repeated those with another content than what first had their id, as what refuses them."""
    asked = {seen.name for _, seen in repeated.values() if seen and seen.digest}
    kept = await transaction.digests(asked) if asked else {}
    return {
        place: reused(item, seen.digest)
        for place, (item, seen) in repeated.items()
        if seen and seen.digest and kept.get(seen.name, seen.digest) != seen.digest
    }
