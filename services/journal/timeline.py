"""A timeline as trees: each entry below its cause. Pure, and independent of the order in which the entries arrived.

The cause is the one that the record names. If it was no message (an answer of the payment gateway, a deadline), the entry
is placed below the message that asked for it. If the cause is not in the journal (not read yet, or pruned), the entry is
a root.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from services.journal.model import ORIGINALS, Entry, Form
from shared.progress import STEPS

GATEWAY, DEADLINE = "gateway/", "due/"
_VIA: Final = {GATEWAY: "gateway answered", DEADLINE: "deadline passed"}
_RETRIES: Final = frozenset({"RetryVoid", "RetryRefund"})


@dataclass(slots=True, eq=False)
class Node:
    """An entry and its effects, in the order in which they happened.

    ``gap``: the time since its cause, negative if two clocks differ; ``None`` for a root. ``via``: what came between the
    cause and the entry. ``orphan``: its cause is not in the journal.
    """

    entry: Entry
    gap: timedelta | None = None
    via: str | None = None
    orphan: bool = False
    children: list["Node"] = field(default_factory=list)

    def walk(self) -> Iterator[tuple[int, "Node"]]:
        """Yield this node and all below it, in preorder, each with its depth."""
        waiting = [(0, self)]
        while waiting:
            depth, node = waiting.pop()
            yield depth, node
            waiting += [(depth + 1, child) for child in reversed(node.children)]


def forest(entries: Iterable[Entry]) -> list[Node]:
    """Build the trees of a timeline, in the order in which they began. Each entry is in exactly one of them."""
    nodes = [Node(entry) for entry in sorted(entries, key=_when)]
    causes = _Causes(nodes)
    roots = []
    for node in nodes:
        parent = causes.of(node)
        if parent is None or _is_below(parent, node):
            node.via = None
            roots.append(node)
        else:
            node.gap = node.entry.at - parent.entry.at
            parent.children.append(node)
    return roots


def of_checkout(roots: Sequence[Node], checkout_id: str) -> list[Node]:
    """Reduce a cart's trees to one checkout: its entries, their causes, and their answers."""
    kept: dict[Node, Node] = {}
    for root in roots:
        for _, node in reversed(list(root.walk())):
            own = node.entry.checkout_id == checkout_id
            answers = [child for child in node.children if own and child.entry.checkout_id is None]
            children = [kept.get(child, child) for child in node.children if child in kept or child in answers]
            if own or children:
                kept[node] = Node(node.entry, node.gap, node.via, node.orphan, children)
    return [kept[root] for root in roots if root in kept]


def checkouts_around(roots: Sequence[Node], message_id: str) -> set[str]:
    """The checkouts in the tree that holds a message."""
    for root in roots:
        found = [node.entry for _, node in root.walk()]
        if any(entry.message_id == message_id for entry in found):
            return {entry.checkout_id for entry in found if entry.checkout_id}
    return set()


def _when(entry: Entry) -> tuple[object, ...]:
    return entry.at, entry.topic, entry.partition, entry.offset


def _is_below(node: Node, top: Node) -> bool:
    """Whether a node is in the tree of another already: records may name causes in a circle."""
    return any(node is found for _, found in top.walk())


class _Causes:
    """Finds the cause of an entry among the nodes of its timeline."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self._nodes = nodes
        self._by_id: dict[str, Node] = {}
        self._by_place: dict[str, Node] = {}
        for node in nodes:
            entry = node.entry
            if entry.form in ORIGINALS and entry.message_id:
                self._by_id.setdefault(entry.message_id, node)
            if entry.form is Form.UNREADABLE:
                self._by_place["/".join(map(str, entry.place))] = node

    def of(self, node: Node) -> Node | None:
        entry = node.entry
        if entry.form in (Form.DEAD_LETTER, Form.COPY):
            return self._by_id.get(entry.message_id or "") or self._origin(entry)
        if entry.cause is None:
            return None
        for prefix, via in _VIA.items():
            if entry.cause.startswith(prefix):
                node.via = via
                return self._asked(node)
        parent = self._by_id.get(entry.cause)
        node.orphan = parent is None
        return parent

    def _origin(self, entry: Entry) -> Node | None:
        """The unreadable record of a dead letter or a redrive. Its position may have the prefix of the shop's topics."""
        origin = str(entry.facts.get("origin") or entry.facts.get("failure", {}).get("origin", ""))
        return next((node for place, node in self._by_place.items() if origin.endswith(place)), None)

    def _asked(self, node: Node) -> Node | None:
        """The last message that asked for this entry; else the last one of the same service."""
        entry = node.entry
        if command := self._by_id.get(str(entry.facts.get("command_id"))):  # it names the command it refuses
            return command
        same = [n for n in self._nodes if n is not node and n.entry.checkout_id == entry.checkout_id and entry.checkout_id]
        asking = [n for n in same if n.entry.kind in _asking(entry.kind)]
        earlier = [n for n in asking if n.entry.at <= entry.at]
        by_service = [n for n in same if n.entry.source == entry.source and n.entry.at <= entry.at]
        for found in (earlier[-1:], asking[:1], by_service[-1:]):
            if found:
                return found[0]
        return None


def _asking(kind: str | None) -> frozenset[str]:
    """The messages after which an event of this type is expected."""
    groups = (group for step in STEPS if kind in {a.__name__ for a in step.answers} for group in step.after)
    kinds = {awaited.__name__ for group in groups for awaited in group}
    return frozenset(kinds | _RETRIES) if kinds else frozenset()
