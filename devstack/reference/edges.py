"""The choreography for the console: who hears whom, with what, on which topic."""

from typing import Any

from devstack.reference.choreography import Choreography, Kind, from_outside, in_order, packages
from devstack.reference.diagrams import GATEWAY, from_gateway
from devstack.reference.schemas import label
from shared.contract.message import Message
from shared.contract.topics import TOPICS

OUTSIDE = "outside"


def edges(choreography: Choreography) -> dict[str, Any]:
    """The services, and an edge for all messages of one writer that a service reacts to, on each topic.

    Writers that are no services of ours are ``outside``; what the payment gateway's answers lead to comes from ``gateway``.
    """
    found: dict[tuple[str, str, str], set[Kind]] = {}
    for reaction in choreography.reactions:
        kind = reaction.trigger
        if from_gateway(reaction):
            found.setdefault((GATEWAY, reaction.service, ""), set()).update(reaction.emits)
        elif issubclass(kind, Message):
            for topic in choreography.topics(kind):
                found.setdefault((_writer(kind, topic), reaction.service, topic), set()).add(kind)
    lines = [
        {"source": source, "target": target, "topic": topic, "messages": [label(kind) for kind in in_order(kinds)]}
        for (source, target, topic), kinds in sorted(found.items())
    ]
    return {"services": choreography.services, "edges": lines}


def _writer(kind: Kind, topic: str) -> str:
    return OUTSIDE if from_outside(kind) or TOPICS[topic].writer not in packages() else TOPICS[topic].writer
