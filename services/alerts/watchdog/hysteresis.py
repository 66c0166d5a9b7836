"""Hysteresis: a condition is raised and cleared only after it has lasted."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Changes:
    """The names of conditions that were raised and cleared."""

    raised: list[str]
    cleared: list[str]


class Hysteresis:
    """Conditions by name, and which of them are raised.

    A condition is raised after it was bad for ``raise_after`` seconds without a break, and cleared after it was good for
    ``clear_after`` seconds without a break. ``raised``: those that are raised at the start.
    """

    def __init__(self, raise_after: float, clear_after: float, raised: Iterable[str] = ()) -> None:
        self._raise_after, self._clear_after = raise_after, clear_after
        self.raised = set(raised)
        self._since: dict[str, float] = {}

    def update(self, bad: Mapping[str, bool | None], now: float) -> Changes:
        """Take in the state of all conditions at ``now`` (seconds of a monotonic clock).

        None is an unknown state: it neither breaks nor counts. A raised condition that is missing counts as good.
        """
        changes = Changes([], [])
        states = {**dict.fromkeys(self.raised, False), **bad}
        for name, is_bad in states.items():
            if is_bad is not None and self._changed(name, is_bad, now):
                (changes.raised if is_bad else changes.cleared).append(name)
        self.raised.update(changes.raised)
        self.raised.difference_update(changes.cleared)
        self._since = {name: since for name, since in self._since.items() if name in states}
        return changes

    def _changed(self, name: str, is_bad: bool, now: float) -> bool:
        """Whether a condition has differed from its raised or cleared state for long enough."""
        if is_bad == (name in self.raised):
            self._since.pop(name, None)
            return False
        since = self._since.setdefault(name, now)
        if now - since < (self._raise_after if is_bad else self._clear_after):
            return False
        del self._since[name]
        return True
