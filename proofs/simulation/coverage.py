"""What the stories went through: each reaction in each state of its aggregate, each race, each fault."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, fields

from proofs.simulation.faults import CommitFault, GatewayFault, ServiceFault
from proofs.simulation.places import Place, named, places
from proofs.simulation.races import RACES
from proofs.simulation.wiring import wiring
from shared.contract.services import SERVICES


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

    def unforeseen(self) -> list[str]:
        """Where it went though nothing leads there: either an event came that could not, or the list of places is wrong."""
        return sorted(map(named, self.places.keys() - set(places())))

    def unreached(self) -> dict[str, list[str]]:
        """The names of what was never reached, by what it is."""
        return {
            "reactions by state": [named(place) for place in places() if place not in self.places],
            "races": [race for race in RACES if race not in self.races],
            "faults": [fault for fault in faults() if fault not in self.faults],
            "redrives": [f"{service}: {kind}" for service, kind in messages() if (service, kind) not in self.redriven],
        }


def messages() -> Iterator[tuple[str, str]]:
    """Every service with every type of message it reacts to."""
    for service in SERVICES:
        for kinds in wiring(service).topics.values():
            yield from ((service, kind.__name__) for kind in kinds)


def faults() -> tuple[str, ...]:
    """Everything that may go wrong."""
    return (*CommitFault, *ServiceFault, *(f"gateway: {fault}" for fault in GatewayFault))
