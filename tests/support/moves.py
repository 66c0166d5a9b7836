"""What a message does to an aggregate in each state it can meet: a table, and the one way to play it."""

from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from shared.contract.message import Message
from tests.support.solo import Solo


@dataclass(frozen=True)
class Move:
    """Where a message leads from ``start``, and what is emitted on the way."""

    start: str
    end: str
    emitted: tuple[type[Message], ...] = ()

    def __str__(self) -> str:
        return f"when {self.start}"


Table = Mapping[str, Mapping[str, tuple[Any, ...]]]
"""By trigger, then by the state met: the state after it, then the types emitted. What is left out changes nothing."""


def rows(table: Table, states: Iterable[str]) -> list[tuple[str, Move]]:
    """Every trigger in every state, also where nothing happens."""
    known = list(states)
    for trigger, moves in table.items():
        assert moves.keys() <= set(known), f"{trigger}: there is no state {moves.keys() - set(known)}"
    return [
        (trigger, Move(start, moves[start][0], moves[start][1:]) if start in moves else Move(start, start))
        for trigger, moves in table.items()
        for start in known
    ]


def play(dancer: Solo, kind: type[Any], aggregate_id: str, trigger: Any, move: Move) -> list[Message]:
    """Play a move and return what was emitted; one that leads nowhere changes nothing at all."""
    before = deepcopy(dancer.aggregates)
    emitted = dancer.hear(trigger)
    assert tuple(type(message) for message in emitted) == move.emitted, emitted
    if (move.end, move.emitted) == (move.start, ()):
        made = {i for i in dancer.aggregates[kind] if i not in before[kind]}
        for i in made:
            assert dancer.aggregates[kind].pop(i) == kind(i), "something was kept of it"
        assert dancer.aggregates == before
    assert str(dancer.own(kind, aggregate_id).state) == move.end
    return emitted
