"""Changes of one field ``a``: what is said of each, and a body that proves it where it breaks somebody."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import Field, StringConstraints, create_model

from shared.contract.message import Command, Event, Message, StrictValue, Value


class Fact(Event):
    """An event."""

    topic: ClassVar[str] = "order.events"
    key_field: ClassVar[str] = "code"
    code: str
    """The key."""


class Wish(Command):
    """A command."""

    topic: ClassVar[str] = "order.commands"
    key_field: ClassVar[str] = "code"
    code: str
    """The key."""


Named = Annotated[str, StringConstraints(pattern="^[A-Z][A-Z0-9]{0,79}$")]
Long = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class Line(Value):
    """A tolerant part."""

    n: int
    """Units."""


class LongLine(Value):
    """The same, with more."""

    n: int
    """Units."""
    m: int
    """More units."""


class Form(StrictValue):
    """A strict part."""

    n: int
    """Units."""


class LongForm(StrictValue):
    """The same, with more."""

    n: int
    """Units."""
    m: int = 0
    """More units."""


Short = Annotated[str, StringConstraints(max_length=9)]
Upper = Annotated[str, StringConstraints(pattern="^[A-Z]+$")]
Small = Annotated[int, Field(ge=1, le=5)]
Large = Annotated[int, Field(ge=0, le=9)]
Few = Annotated[tuple[int, ...], Field(max_length=1)]
Many = Annotated[tuple[int, ...], Field(max_length=2)]
NOT_THERE: Final = "no field a"


@dataclass(frozen=True)
class Change:
    """One message, before and after; ``before``: a body written before that is not read now, ``now``: the other way."""

    old: type[Message]
    new: type[Message]
    said: str | None
    before: Mapping[str, Any] | None = None
    now: Mapping[str, Any] | None = None


def message(base: type[Message], a: Any) -> type[Message]:
    """A message whose field ``a`` has a type, or a type and a default, or that has none."""
    kind, default = a if isinstance(a, tuple) else (a, ...)
    fields: dict[str, Any] = {} if a == NOT_THERE else {"a": (Annotated[kind, Field(description="-")], default)}
    made: type[Message] = create_model("Sample", __base__=base, __doc__="A sample.", **fields)
    return made


def _change(base: type[Message], old: Any, new: Any, said: str | None, **proof: Any) -> Change:
    bodies = {side: {} if a == NOT_THERE else {"a": a} for side, a in proof.items()}
    return Change(message(base, old), message(base, new), said, **bodies)


def _event(old: Any, new: Any, said: str | None = None, **proof: Any) -> Change:
    return _change(Fact, old, new, said, **proof)


def _command(old: Any, new: Any, said: str | None = None, **proof: Any) -> Change:
    return _change(Wish, old, new, said, **proof)


WORD, WORDS = Literal["x"], Literal["x", "y"]
GONE = "a: it is gone, and somebody may count on it"
LEFT_OUT = "a: {} may leave it out, and {} need it"
READERS = ("today's writers", "yesterday's readers")
WRITERS = ("yesterday's writers", "today's readers")


def _to_readers(said: str) -> str:
    return said.format(*READERS)


def _to_writers(said: str) -> str:
    return said.format(*WRITERS)


EVENTS_FOR_YESTERDAYS_READERS = {
    "gone": _event(int, NOT_THERE, GONE, now=NOT_THERE),
    "gone though it could be missing": _event((int, 1), NOT_THERE, GONE),
    "may be missing": _event(int, (int, 1), _to_readers(LEFT_OUT), now=NOT_THERE),
    "another type": _event(int, str, _to_readers("a: {} say string, and {} take integer"), before=1, now=""),
    "may be null": _event(int, int | None, _to_readers("a: {} may say null, and {} do not take it"), now=None),
    "a new word": _event(WORD, WORDS, _to_readers('a: {} may say "y", and {} do not take it'), now="y"),
    "words become free": _event(WORDS, str, _to_readers('a: {} may say anything, and {} know only "x", "y"'), now="z"),
    "a lower minimum": _event(Small, Large, _to_readers("a: {} keep to minimum 0, and {} want minimum 1"), now=0),
    "a new field in a strict part": _event(
        Form, LongForm, _to_readers("a.m: {} say it, and {} refuse fields they do not know"), now={"n": 1, "m": 2}
    ),
    "other keys of a map": _event(
        dict[Upper, int], dict[str, int], _to_readers('a: {} have keys any, and {} want "^[A-Z]+$"'), now={"x": 1}
    ),
    "a map's values": _event(
        dict[Upper, Small], dict[Upper, Large], _to_readers("a{{}}: {} keep to maximum 9, and {} want maximum 5"), now={"X": 9}
    ),
}
EVENTS_TOPICS_STILL_HOLD = {
    "a new field": _event(NOT_THERE, int, _to_writers(LEFT_OUT), before=NOT_THERE),
    "a new field in a part": _event(
        tuple[Line, ...], tuple[LongLine, ...], _to_writers("a[].m: {} may leave it out, and {} need it"), before=[{"n": 1}]
    ),
    "another meaning when left out": _event((int, 1), (int, 2), "a: left out, it means 2 now and meant 1"),
}
COMMANDS_OF_YESTERDAYS_CLIENTS = {
    "gone": _command((int, 1), NOT_THERE, GONE, before=1),
    "a text is too long that was as long as its pattern lets it": _command(
        Named,
        Annotated[str, StringConstraints(max_length=79)],
        _to_writers("a: {} keep to no maxLength, and {} want maxLength 79"),
        before="X" * 80,
    ),
    "a tighter choice": _command(
        Large | None, Small | None, _to_writers("a: {} keep to maximum 9, and {} want maximum 5"), before=9
    ),
    "no choice": _command(
        int | bool | str, int | str, _to_writers("a: {} may say boolean, and {} do not take it"), before=True
    ),
    "a part that refuses more": _command(
        Line, Form, _to_writers("a: {} may say what nobody knows, and {} refuse it"), before={"n": 1, "m": 2}
    ),
    "another meaning when left out": _command((int, 1), (int, 2), "a: left out, it means 2 now and meant 1"),
}
FINE = {
    "an event has a new field that may be missing": _event(NOT_THERE, (int, 1)),
    "a command has a new field that may be missing": _command(NOT_THERE, (int, 1)),
    "a command needs a field no more": _command(int, (int, 1)),
    "a command takes a new word": _command(WORD, WORDS),
    "a command takes more": _command(Small, Large),
    "a command takes null": _command(int, int | None),
    "a command takes a number": _command(int, float),
    "a command takes any text": _command(Upper, str),
    "a command takes text of any letters, as long as before": _command(Named, Long),
    "a command takes either": _command(int, str | int),
    "a strict part of a command has a new field": _command(Form, LongForm),
}
