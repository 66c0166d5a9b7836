"""Where a checkout stands: what it came to, and what it still waits for, since when."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final, Generic, TypeVar

from shared.progress.steps import STEPS, Step


class Outcome(StrEnum):
    """What a checkout came to."""

    COMPLETED = "completed"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    DECLINED = "declined"
    OUT_OF_STOCK = "out_of_stock"
    ABANDONED = "abandoned"


OUTCOMES: Final = {
    "OrderCancelled": Outcome.CANCELLED,
    "CheckoutCompleted": Outcome.COMPLETED,
    "OrderRejected": Outcome.REJECTED,
    "PaymentDeclined": Outcome.DECLINED,
    "ReservationFailed": Outcome.OUT_OF_STOCK,
    "CheckoutAbandoned": Outcome.ABANDONED,
}
"""By the event that decides it; the first that was seen counts."""


At = TypeVar("At", bound=Any)
"""A moment, in whatever unit the events are dated: all that counts is which is later."""


@dataclass(frozen=True)
class Waiting(Generic[At]):
    """A step that is on, ``since`` the event that opened it."""

    step: Step
    since: At


@dataclass(frozen=True)
class Standing(Generic[At]):
    """``outcome`` may be known while something still waits, such as a cancelled order whose hold is not released."""

    outcome: Outcome | None
    waits: tuple[Waiting[At], ...]

    @property
    def finished(self) -> bool:
        """Whether nothing is to come any more."""
        return not self.waits


def standing(seen: Mapping[str, At]) -> Standing[At]:
    """Where a checkout stands. ``seen``: when each of its events happened, by name; of several, the latest."""
    seen = _without_undone(seen)
    outcome, steps = _by_kinds(frozenset(seen))
    waits = (Waiting(step, max(min(seen[kind] for kind in group & seen.keys()) for group in step.opened_by)) for step in steps)
    return Standing(outcome, tuple(sorted(waits, key=lambda waiting: waiting.since)))


@lru_cache(maxsize=10_000)
def _by_kinds(seen: frozenset[str]) -> tuple[Outcome | None, tuple[Step, ...]]:
    """What these events came to, and the steps that are on after them: of few sets of events do checkouts consist."""
    outcome = next((outcome for kind, outcome in OUTCOMES.items() if kind in seen), None)
    return outcome, tuple(step for step in STEPS if not step.ended_by & seen and all(group & seen for group in step.opened_by))


_UNDONE: Final = {
    "ReservationExpired": ("StockReserved", "ReservationExtended"),
    "VoidFailed": ("VoidRetried",),
    "RefundFailed": ("RefundRetried",),
}
"""What counts no more once one of these came after it; both are events of one service, and so of one clock."""
_ANSWERS: Final = ("VoidFailed", "RefundFailed")
"""Of the same moment as one of those, such an event is the answer to it: nobody decides anything in no time."""


def _without_undone(seen: Mapping[str, At]) -> Mapping[str, At]:
    undone = {kind for kind, anew in _UNDONE.items() if kind in seen and any(_before(kind, a, seen) for a in anew)}
    if "OrderCreated" in seen:  # inventory takes the units anew, or says that they are lost
        undone.add("ReservationExpired")
    return {kind: at for kind, at in seen.items() if kind not in undone} if undone else seen


def _before(kind: str, anew: str, seen: Mapping[str, At]) -> bool:
    if anew not in seen:
        return False
    return bool(seen[kind] < seen[anew] if kind in _ANSWERS else seen[kind] <= seen[anew])
