"""Which service reacts to whose messages, generated from the registry of reactions by ``make docs``."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

OUTSIDE: Final = "outside"
"""Writers that are no services: clients, staff, the catalogue."""
GATEWAY: Final = "gateway"


@dataclass(frozen=True)
class Edge:
    """All messages of one writer that a service reacts to, on one topic. Answers of the gateway have no topic."""

    source: str
    target: str
    topic: str
    messages: tuple[str, ...]

    @property
    def group(self) -> str:
        """The consumer group that follows this edge."""
        return f"quadrille.{self.target}"

    def rate(self, emitted: Mapping[tuple[str, str], float]) -> float:
        """Messages per second on this edge, from the rates by writer and type. Outside writers may use any name."""
        return sum(
            rate
            for (writer, kind), rate in emitted.items()
            if kind in self.messages and (writer == self.source or self.source == OUTSIDE)
        )


@dataclass(frozen=True)
class Choreography:
    """The services that react, in the order a checkout meets them, and the edges between them."""

    services: tuple[str, ...]
    edges: tuple[Edge, ...]


def load() -> Choreography:
    """Load the choreography of this version."""
    found = json.loads(files("services.console").joinpath("choreography.json").read_text())
    edges = (Edge(e["source"], e["target"], e["topic"], tuple(e["messages"])) for e in found["edges"])
    return Choreography(tuple(found["services"]), tuple(edges))
