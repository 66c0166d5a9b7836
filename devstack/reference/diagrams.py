"""The choreography as Mermaid diagrams: who hears whom, and how a story runs message by message."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from devstack.reference.choreography import Choreography, Kind, from_outside, packages
from devstack.reference.schemas import label
from shared.client import OUTCOMES
from shared.contract.message import Message
from shared.contract.topics import DEAD_LETTERS, TOPICS
from shared.runtime.reactions import Reaction, TimerFired

CLIENT: Final = "client"
GATEWAY: Final = "gateway"
"""Who answers where a reaction's trigger is neither a message nor a timer."""


class StoryError(Exception):
    """A story that the reactions do not tell."""


@dataclass(frozen=True)
class Story:
    """Messages in an order in which they may come, each brought about by one before it."""

    title: str
    told: str
    messages: tuple[Kind, ...]


def overview(choreography: Choreography) -> str:
    """Who hears whom: an edge for all events of one service that another reacts to."""
    edges: dict[tuple[str, str], set[str]] = {}
    for reaction in choreography.reactions:
        if issubclass(reaction.trigger, Message):
            for emitter in choreography.emitters(reaction.trigger):
                edges.setdefault((emitter.service, reaction.service), set()).add(label(reaction.trigger))
    lines = [f"    {service}([{service}])" for service in choreography.services]
    lines += [f'    {a} -- "{"<br/>".join(sorted(names))}" --> {b}' for (a, b), names in sorted(edges.items())]
    return _mermaid("flowchart LR", lines)


def surroundings(choreography: Choreography) -> str:
    """Who sends commands and facts from outside, who is asked outside, and where dead letters go."""
    lines = [f"    {service}([{service}])" for service in choreography.services]
    lines += [f'    {GATEWAY}[["payment gateway"]]', f"    {_reader(DEAD_LETTERS)}([{_reader(DEAD_LETTERS)}])"]
    for number, (name, topic) in enumerate(TOPICS.items()):
        if topic.writer in packages():
            lines += [f'    {topic.writer} -. "{name}" .-> {topic.reader}'] if topic.reader else []
        elif topic.reader in choreography.services and all(map(from_outside, choreography.messages(name))):
            lines += [f'    outside{number}["{topic.writer}"]', f'    outside{number} -- "{name}" --> {topic.reader}']
    asking = sorted({r.service for r in choreography.reactions if from_gateway(r)})
    lines += [f"    {service} <--> {GATEWAY}" for service in asking]
    lines += [f'    {s} -. "{DEAD_LETTERS}" .-> {_reader(DEAD_LETTERS)}' for s in choreography.services]
    return _mermaid("flowchart LR", list(dict.fromkeys(lines)))


def sequence(story: Story, choreography: Choreography) -> str:
    """A story, with every reaction to every message of it. Raises :class:`StoryError` where one comes from nowhere."""
    drawn: list[tuple[set[str], str]] = []
    told: list[Kind] = []

    def draw(sender: str, arrow: str, receiver: str, text: str) -> None:
        drawn.append(({sender, receiver}, f"    {sender}{arrow}{receiver}: {text}"))

    for kind in story.messages:
        cause = _cause(kind, told, choreography)
        sender, reactors = cause.service if cause else CLIENT, choreography.reactors(kind)
        if cause and from_gateway(cause):
            draw(GATEWAY, "-->>", sender, cause.trigger.__name__)
        for reaction in reactors:
            draw(sender, "->>", reaction.service, f"{label(kind)}<br/>{reaction.name}")
        if kind.alarm:
            draw(sender, "-)", _reader(DEAD_LETTERS), f"{label(kind)}<br/>{DEAD_LETTERS}")
        if kind in OUTCOMES:
            draw(sender, "-->>", CLIENT, label(kind))
        elif not reactors and not kind.alarm:
            drawn.append(({sender}, f"    Note over {sender}: {label(kind)}"))
        told.append(kind)
    seen = set().union(*(names for names, _ in drawn))
    order = dict.fromkeys([CLIENT, *choreography.services, GATEWAY, _reader(DEAD_LETTERS)])
    return _mermaid("sequenceDiagram", [*(f"    participant {n}" for n in order if n in seen), *(line for _, line in drawn)])


def _cause(kind: Kind, told: Sequence[Kind], choreography: Choreography) -> Reaction | None:
    """The reaction that sent a message, or nothing where a client did. What the gateway may bring about, it did."""
    if from_outside(kind):
        return None
    awake = {r.service for heard in told for r in choreography.reactors(heard)}
    emitters = choreography.emitters(kind)
    answered = [r for r in emitters if from_gateway(r) and r.service in awake]
    if causes := answered + [r for r in emitters if r.trigger in told]:
        return causes[0]
    raise StoryError(f"no reaction to {', '.join(label(t) for t in told) or 'nothing'} emits {label(kind)}")


def from_gateway(reaction: Reaction) -> bool:
    """Whether an answer of the gateway sets the reaction off, and neither a message nor a timer nor a dead letter."""
    trigger: type[Any] = reaction.trigger
    return trigger is not TimerFired and not issubclass(trigger, Message) and reaction.service != _reader(DEAD_LETTERS)


def _reader(topic: str) -> str:
    return TOPICS[topic].reader or "nobody"


def _mermaid(kind: str, lines: Sequence[str]) -> str:
    return "\n".join(["```mermaid", kind, *lines, "```"])
