"""What the stories went through: each reaction in each state of its aggregate, each race, each fault."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from enum import Enum
from typing import Any, get_args, get_type_hints

from shared.contract.topics import SERVICES
from simulation.faults import CommitFault, GatewayFault, ServiceFault
from simulation.races import RACES
from simulation.wiring import Wired, wiring

Place = tuple[str, str, Any]
"""Service, reaction, and the state its aggregate was in before; no state where it is new or knows none."""


@dataclass
class Coverage:
    """Counters that add up over stories. ``checkouts``: attempts that were started; ``orders``: those confirmed.

    ``redriven``: dead letters that came back, by service and type of message.
    """

    places: Counter[Place] = field(default_factory=Counter)
    races: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    redriven: Counter[tuple[str, str]] = field(default_factory=Counter)
    stories: int = 0
    checkouts: int = 0
    orders: int = 0
    steps: int = 0

    def add(self, other: "Coverage") -> None:
        """Count what other stories went through, too."""
        for it in fields(self):
            setattr(self, it.name, getattr(self, it.name) + getattr(other, it.name))

    def unreached(self) -> dict[str, list[str]]:
        """The names of what was never reached, by what it is."""
        return {
            "reactions by state": [named(place) for place in places() if place not in self.places],
            "races": [race for race in RACES if race not in self.races],
            "faults": [fault for fault in faults() if fault not in self.faults],
            "redrives": [f"{service}: {kind}" for service, kind in messages() if (service, kind) not in self.redriven],
        }


def named(place: Place) -> str:
    """A place in words."""
    service, reaction, state = place
    return f"{service}: {reaction} × {state or 'new'}"


def places() -> Iterator[Place]:
    """Every reaction with every state its aggregate can be in."""
    for service in SERVICES:
        known = wiring(service)
        for wired in (*known.by_trigger.values(), *known.by_deadline.values()):
            for state in _states(wired):
                yield service, wired.name, state


def _states(wired: Wired) -> tuple[Any, ...]:
    if wired.kind is None or not wired.stateful:
        return (None,)
    hint = get_type_hints(wired.kind)["state"]
    if isinstance(hint, type) and issubclass(hint, Enum):
        return tuple(hint)
    return (None, *(state for kind in get_args(hint) if issubclass(kind, Enum) for state in kind))


def messages() -> Iterator[tuple[str, str]]:
    """Every service with every type of message it reacts to."""
    for service in SERVICES:
        for kinds in wiring(service).topics.values():
            yield from ((service, kind.__name__) for kind in kinds)


def faults() -> tuple[str, ...]:
    """Everything that may go wrong."""
    return (*CommitFault, *ServiceFault, *(f"gateway: {fault}" for fault in GatewayFault))
