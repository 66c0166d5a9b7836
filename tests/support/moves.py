"""What a message does to an aggregate in each state it can meet: a table, and the one way to play it."""

from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from shared.contract.message import Message
from tests.support.solo import Solo


@dataclass(frozen=True)
class Move:
    """Where a message leads from ``start``, and what is emitted on the way. ``idle``: it changes nothing at all."""

    start: str
    end: str
    emitted: tuple[type[Message], ...] = ()
    idle: bool = False

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
        (trigger, Move(start, moves[start][0], moves[start][1:]) if start in moves else Move(start, start, idle=True))
        for trigger, moves in table.items()
        for start in known
    ]


def play(service: Solo, kind: type[Any], aggregate_id: str, trigger: Any, move: Move) -> list[Message]:
    """Play a move and return what was emitted."""
    before = deepcopy(service.aggregates)
    state = service.own(kind, aggregate_id).state
    emitted = service.hear(trigger)
    assert tuple(type(message) for message in emitted) == move.emitted, emitted
    if move.idle:
        assert service.own(kind, aggregate_id) == before[kind].get(aggregate_id, kind(aggregate_id))
        assert _without_blanks(service.aggregates) == _without_blanks(before)
    assert service.own(kind, aggregate_id).state == (state if move.idle else move.end)
    return emitted


def _without_blanks(aggregates: Mapping[type[Any], Mapping[str, Any]]) -> dict[tuple[type[Any], str], Any]:
    """What would be stored: an aggregate that is as it was made is not."""
    return {(kind, i): a for kind, some in aggregates.items() for i, a in some.items() if a != kind(i)}
