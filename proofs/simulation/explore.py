"""Every order of deliveries in a small case: a search through all states the four services can come to.

States that were seen are not gone through again, but the orders that lead through them are counted.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

from proofs.simulation.invariants import check_books
from proofs.simulation.state import Budget, State
from shared.contract.message import Message


@dataclass
class Explored:
    """``orders``: how many different orders there are; ``states``: how many states they lead through."""

    orders: int = 0
    states: int = 0
    ends: int = 0
    races: set[str] = field(default_factory=set)


def explore(setup: Sequence[Message], open_: Sequence[Message], budget: Budget) -> Explored:
    """Let ``setup`` be handled in one order, then ``open_`` in every order there is.

    Raises :class:`BrokenError` for the first order that breaks an invariant.
    """
    state = State(budget)
    for message in setup:
        state.send(message)
        while moves := [move for move in state.moves() if move.what in ("deliver", "call", "claim")]:
            state = state.after(moves[0])
    state.heard = ()
    state.send(*open_)
    found = Explored(races=state.races)
    known: dict[Hashable, int] = {}
    found.orders = _orders(state, known, found)
    found.states = len(known)
    return found


def _orders(state: State, known: dict[Hashable, int], found: Explored) -> int:
    """In how many orders everything can go on from here."""
    name = state.name()
    if name in known:
        return known[name]
    moves = state.moves()
    total = sum(move.ways * _orders(state.after(move), known, found) for move in moves)
    if all(move.what == "double" for move in moves):
        check_books(state)
        found.ends += 1
        total += 1
    known[name] = total
    return total
