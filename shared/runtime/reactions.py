"""The registry of reactions: who reacts to what, with what.

A reaction is a generator function. Its signature says all the runtime needs to know::

    @reactions.on(PaymentAuthorized)
    def create_order(checkout: Checkout, event: PaymentAuthorized, now: datetime) -> Emits[OrderCreated | OrderRejected]:

Parameters are filled by their annotations: the trigger, ``datetime`` (the database's clock), ``Envelope`` (the
trigger's), an aggregate (the one whose id the trigger carries), ``dict[str, A]`` (aggregates to change, one for each
key of ``loads``), ``Mapping[str, A]`` (those that exist, to read), and anything else from the service's context.

A reaction that forwards a record as it is says so too: ``Emits[DeadLetterRedriven | Outgoing]``.
"""

import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, is_dataclass
from datetime import datetime
from typing import Any, get_args, get_origin, get_type_hints

from shared.contract.envelope import Envelope
from shared.contract.message import Message
from shared.runtime.records import Outgoing

Emits = Iterator
"""What a reaction yields, such as ``Emits[OrderCreated | OrderRejected]``; ``Emits[Never]`` for none."""
Loads = Callable[..., Iterable[str]]
"""Names related aggregates: gets the aggregate (if the reaction has one), the message, and what was related before."""
Function = Callable[..., Emits[Any]]


@dataclass(frozen=True)
class Search:
    """Finds related aggregates by their content, where no message can name them.

    ``name``: the search of their store. ``parameters``: gets what :data:`Loads` gets, and returns the parameters of the
    search, or ``None`` to find nothing. The reaction gets those that are found and all that its transaction has loaded
    before, whatever their content is now: it picks those it wants.
    """

    name: str
    parameters: Callable[..., Mapping[str, Any] | None]


class UndeclaredEmissionError(Exception):
    """A reaction yielded what its signature does not declare: a bug in the reaction."""


@dataclass(frozen=True)
class TimerFired:
    """The trigger of a timer: the ``due_at`` of the aggregate has passed."""

    aggregate_id: str


@dataclass(frozen=True)
class Related:
    """Further aggregates a reaction reads (``writes=False``) or changes, and which."""

    parameter: str
    aggregate: type[Any]
    writes: bool
    loads: Loads | Search


@dataclass(frozen=True)
class Reaction:
    """One reaction and what its signature says. ``trigger`` is ``TimerFired`` for timers.

    ``id_name``: the attribute of the trigger that is the id of the aggregate.
    """

    service: str
    function: Function
    trigger: type[Any]
    aggregate: type[Any] | None
    related: tuple[Related, ...]
    emits: frozenset[type[Message]]
    parameters: Mapping[str, type[Any]]
    id_name: str
    forwards_raw: bool = False
    """Whether it may also yield records as they are, in place of messages."""

    @property
    def name(self) -> str:
        """The function's name."""
        return self.function.__name__

    @property
    def changes(self) -> set[type[Any]]:
        """The types of aggregates it may change."""
        return {related.aggregate for related in self.related if related.writes} | (
            {self.aggregate} if self.aggregate else set()
        )

    def id_of(self, trigger: Any) -> str:
        """The id of the aggregate this trigger is for."""
        return str(getattr(trigger, self.id_name))

    def run(self, arguments: Mapping[str, Any]) -> list[Any]:
        """The messages the reaction emits, and the records it forwards.

        Raises :class:`UndeclaredEmissionError`, or whatever the reaction raises.
        """
        emitted = list(self.function(**arguments))
        for message in emitted:
            if type(message) not in self.emits and not (self.forwards_raw and isinstance(message, Outgoing)):
                raise UndeclaredEmissionError(f"{self.service}.{self.name} emits an undeclared {type(message).__name__}")
        return emitted


def is_aggregate(hint: Any) -> bool:
    """Whether a type is an aggregate: a dataclass that can change. Its first field is its id, all others have defaults."""
    if hint is Envelope or not isinstance(hint, type) or not is_dataclass(hint):
        return False
    return not hint.__dataclass_params__.frozen  # type: ignore[attr-defined]


def id_field(aggregate: type[Any]) -> str:
    """The first field of an aggregate: its id, called as in the messages that concern it."""
    name: str = next(iter(aggregate.__dataclass_fields__))
    return name


class Reactions:
    """The reactions of one service: at most one for each type of message and for each aggregate's timer."""

    def __init__(self, service: str) -> None:
        self.service = service
        self.by_trigger: dict[type[Any], Reaction] = {}
        self.timers: dict[type[Any], Reaction] = {}

    def __iter__(self) -> Iterator[Reaction]:
        yield from self.by_trigger.values()
        yield from self.timers.values()

    def on(self, trigger: type[Any], **loads: Loads | Search) -> Callable[[Function], Function]:
        """React to a message. ``loads``: for each parameter of related aggregates, which of them."""

        def register(function: Function) -> Function:
            reaction = _inspect(self.service, function, trigger, loads)
            if trigger in self.by_trigger:
                raise ValueError(f"{self.service} reacts to {trigger.__name__} twice")
            self.by_trigger[trigger] = reaction
            return function

        return register

    def on_timer(self, **loads: Loads | Search) -> Callable[[Function], Function]:
        """React when the ``due_at`` of the aggregate in the signature has passed; the reaction must move or clear it."""

        def register(function: Function) -> Function:
            reaction = _inspect(self.service, function, TimerFired, loads)
            if reaction.aggregate is None:
                raise ValueError(f"{self.service}.{function.__name__} takes no aggregate, so it has no timer to react to")
            if reaction.aggregate in self.timers:
                raise ValueError(f"{self.service} reacts to the timer of {reaction.aggregate.__name__} twice")
            self.timers[reaction.aggregate] = reaction
            return function

        return register

    @property
    def messages(self) -> dict[str, type[Message]]:
        """The types of message that come through Kafka, by their type name."""
        return {t.type_name(): t for t in self.by_trigger if issubclass(t, Message)}


def _inspect(service: str, function: Function, trigger: type[Any], loads: Mapping[str, Loads | Search]) -> Reaction:
    hints = get_type_hints(function)
    if unknown := loads.keys() - hints.keys():
        raise ValueError(f"{service}.{function.__name__} has no parameter {', '.join(sorted(unknown))}")
    emits = _members(get_args(hints.pop("return"))[0])
    aggregate: type[Any] | None = None
    related: list[Related] = []
    parameters: dict[str, type[Any]] = {}
    for name, hint in hints.items():
        origin = get_origin(hint)
        if origin in (dict, Mapping):
            if name not in loads:
                raise ValueError(f"{service}.{function.__name__} does not say which {name} it loads")
            related.append(Related(name, get_args(hint)[1], origin is dict, loads[name]))
        elif is_aggregate(hint):
            aggregate = hint
            parameters[name] = hint
        else:
            parameters[name] = hint
    messages = frozenset(kind for kind in emits if issubclass(kind, Message))
    id_name = "aggregate_id" if trigger is TimerFired else id_field(aggregate) if aggregate else ""
    return Reaction(service, function, trigger, aggregate, tuple(related), messages, parameters, id_name, Outgoing in emits)


def _members(hint: Any) -> frozenset[type[Any]]:
    if hint is typing.Never:
        return frozenset()
    if isinstance(hint, types.UnionType) or get_origin(hint) is typing.Union:
        return frozenset(get_args(hint))
    return frozenset({hint})


def arguments(
    reaction: Reaction,
    trigger: Any,
    envelope: Envelope,
    now: datetime,
    aggregate: Any,
    related: Mapping[str, Mapping[str, Any]],
    context: Mapping[type[Any], Any],
) -> dict[str, Any]:
    """The arguments of one call, by name. ``related``: by parameter name, then by id."""
    filled: dict[str, Any] = dict(related)
    for name, hint in reaction.parameters.items():
        if hint is reaction.aggregate:
            filled[name] = aggregate
        elif hint is reaction.trigger:
            filled[name] = trigger
        elif hint is datetime:
            filled[name] = now
        elif hint is Envelope:
            filled[name] = envelope
        else:
            filled[name] = context[hint]
    return filled
