"""Counts what a service commits."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Final

from shared.contract.message import Command, Event, Message
from shared.runtime.inputs import Deliver, Reject, WorkItem
from shared.runtime.observability import metrics
from shared.runtime.observability.metrics import Children
from shared.runtime.reactions import Reaction, TimerFired

READ: Final = "read"
"""The stage of a dead letter that could not even be read."""


class Meter:
    """The counters of one service. A commit costs an addition for each type of message in it.

    ``partition_of`` gives the partition of a Kafka key.
    """

    def __init__(self, service: str, partition_of: Callable[[str], int]) -> None:
        self._partition_of = partition_of
        self._misplaced = Children(metrics.misplaced, service)
        self._handled = Children(metrics.handled, service)
        self._emitted = Children(metrics.emitted, service)
        self._dead_letters = Children(metrics.dead_letters, service)
        self._seconds = Children(metrics.reaction_seconds, service)

    def begin(self, reactions: Iterable[Reaction]) -> None:
        """Have the counters of all that these reactions may handle, emit and fail at, from now on."""
        self._dead_letters[READ]
        for reaction in reactions:
            self._handled[_name(reaction)]
            self._dead_letters[reaction.name]
            for kind in reaction.emits:
                self._emitted[kind.__name__]

    def committed(
        self, items: Iterable[WorkItem], emitted: Mapping[type[Message], int], dead: Mapping[str, int], at: datetime
    ) -> None:
        """Count one commit, once it stands. ``dead``: its dead letters by stage; ``at``: when it was committed."""
        handled: Counter[str] = Counter()
        for item in items:
            if isinstance(item, Deliver):
                handled[_name(item.reaction)] += 1
                if why := self._why_misplaced(item):
                    self._misplaced[why].inc()
                if item.envelope and item.envelope.time and isinstance(item.trigger, Event):
                    seconds = (at - item.envelope.time).total_seconds()
                    self._seconds[item.reaction.name].observe(max(0.0, seconds))
            elif isinstance(item, Reject):
                handled[item.error.command.__name__] += 1
        for name, count in handled.items():
            self._handled[name].inc(count)
        for kind, count in emitted.items():
            self._emitted[kind.__name__].inc(count)
        for stage, count in dead.items():
            self._dead_letters[stage].inc(count)

    def _why_misplaced(self, item: Deliver) -> str | None:
        """Why a command may be handled before an earlier one of its cart or SKU, if so."""
        if not isinstance(item.trigger, Command) or item.record is None or item.record.redriven:
            return None
        if not item.record.key:
            return "no_key"
        if item.record.key != item.trigger.key.encode():
            return "other_key"
        return None if item.record.partition == self._partition_of(item.trigger.key) else "other_partition"


def _name(reaction: Reaction) -> str:
    if reaction.trigger is TimerFired and reaction.aggregate:
        return f"{reaction.aggregate.__name__}Timer"
    return reaction.trigger.__name__
