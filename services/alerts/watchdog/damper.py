"""Hysteresis: what is bad only for a moment raises nothing, and what is good only for a moment ends nothing."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Changes:
    """What came up and what is over, by name."""

    raised: list[str]
    cleared: list[str]


class Damper:
    """Many conditions by name, and which of them are raised now.

    One is raised when it was bad for ``raise_after`` seconds without a break, and over when it was good for
    ``clear_after`` seconds without a break. ``raised``: those that were when we began.
    """

    def __init__(self, raise_after: float, clear_after: float, raised: Iterable[str] = ()) -> None:
        self._raise_after, self._clear_after = raise_after, clear_after
        self.raised = set(raised)
        self._since: dict[str, float] = {}

    def see(self, bad: Mapping[str, bool | None], now: float) -> Changes:
        """Take in what is seen at ``now`` (seconds of a steady clock).

        Nothing (``None``) is not known: it breaks nothing and adds nothing. What is raised and not looked at any more,
        as it is gone, is over.
        """
        changes = Changes([], [])
        seen = {**dict.fromkeys(self.raised, False), **bad}
        for name, is_bad in seen.items():
            if is_bad is not None and self._lasts(name, is_bad, now):
                (changes.raised if is_bad else changes.cleared).append(name)
        self.raised.update(changes.raised)
        self.raised.difference_update(changes.cleared)
        self._since = {name: since for name, since in self._since.items() if name in seen}
        return changes

    def _lasts(self, name: str, is_bad: bool, now: float) -> bool:
        """Whether a condition is other than it is held to be, and has been for long enough."""
        if is_bad == (name in self.raised):
            self._since.pop(name, None)
            return False
        since = self._since.setdefault(name, now)
        if now - since < (self._raise_after if is_bad else self._clear_after):
            return False
        del self._since[name]
        return True
