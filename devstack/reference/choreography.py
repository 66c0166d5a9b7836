"""The choreography as the registries have it: who emits what, who reacts to it, and on which topics."""

import pkgutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec

import services
from devstack.reference.schemas import label
from shared.contract.message import Command, Message
from shared.contract.registry import MESSAGES
from shared.contract.services import SERVICES
from shared.contract.topics import DEAD_LETTERS, TOPICS, events_topic
from shared.runtime.reactions import Reaction, TimerFired

Kind = type[Message]


@dataclass(frozen=True)
class Choreography:
    """Reactions, and what follows from them."""

    reactions: tuple[Reaction, ...]

    @property
    def services(self) -> list[str]:
        """Who reacts, in the order of the reactions."""
        return list(dict.fromkeys(reaction.service for reaction in self.reactions))

    def emitters(self, kind: Kind) -> list[Reaction]:
        """The reactions that may emit a message."""
        return [reaction for reaction in self.reactions if kind in reaction.emits]

    def reactors(self, kind: Kind) -> list[Reaction]:
        """The reactions to a message."""
        return [reaction for reaction in self.reactions if reaction.trigger is kind]

    def topics(self, kind: Kind) -> list[str]:
        """Where a message travels: on its topic, or on the events topic of every service that emits it."""
        return [kind.topic] if kind.topic else _once(events_topic(reaction.service) for reaction in self.emitters(kind))

    def messages(self, topic: str) -> list[Kind]:
        """What travels on a topic. One without messages of its own brings its reader again what that reads elsewhere."""
        if topic == DEAD_LETTERS:
            return [kind for kind in MESSAGES.values() if kind.alarm]
        own = [kind for kind in MESSAGES.values() if topic in self.topics(kind)]
        reader = TOPICS[topic].reader
        return own or [r.trigger for r in self.reactions if r.service == reader and issubclass(r.trigger, Message)]

    def sent(self, topic: str) -> dict[str, list[Kind]]:
        """What each writer sends on a topic. Dead letters are sent by all; failed compensations by who emits them."""
        if topic != DEAD_LETTERS:
            return {TOPICS[topic].writer: self.messages(topic)}
        return {service: self._emitted(service, self.messages(topic)) for service in self.services}

    def _emitted(self, service: str, kinds: Sequence[Kind]) -> list[Kind]:
        return [kind for kind in kinds if any(reaction.service == service for reaction in self.emitters(kind))]

    def read(self, service: str, topic: str) -> list[Kind]:
        """What a service reads of a topic: all of it where it answers for the topic, else what it reacts to."""
        known = self.messages(topic)
        if TOPICS[topic].reader == service:
            return known
        return [kind for kind in known if topic in self.topics(kind) and any(r.service == service for r in self.reactors(kind))]


def from_outside(kind: Kind) -> bool:
    """Whether others than the services send it: a command, or a fact of another system."""
    return issubclass(kind, Command) or (bool(kind.topic) and TOPICS[kind.topic].writer not in packages())


def named(reaction: Reaction) -> str:
    """What sets a reaction off, in words."""
    if reaction.trigger is TimerFired:
        return f"timer of {reaction.aggregate.__name__}" if reaction.aggregate else "timer"
    return f"`{label(reaction.trigger) if issubclass(reaction.trigger, Message) else reaction.trigger.__name__}`"


def in_order(kinds: Iterable[Kind]) -> list[Kind]:
    """Messages in the order of the catalogue."""
    order = {kind: place for place, kind in enumerate(MESSAGES.values())}
    return sorted(kinds, key=lambda kind: order[kind])


def packages() -> list[str]:
    """Every service of this code, the dancers first and in the order a checkout meets them."""
    found = [module.name for module in pkgutil.iter_modules(services.__path__)]
    return [*SERVICES, *(name for name in found if name not in SERVICES)]


def load() -> Choreography:
    """The choreography of this code: of every service that has reactions."""
    reacting = [name for name in packages() if find_spec(f"services.{name}.reactions")]
    return Choreography(tuple(r for name in reacting for r in import_module(f"services.{name}.reactions").reactions))


def _once(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))
