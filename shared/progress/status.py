"""The status of a checkout: its outcome, and the steps that it waits in, each since when."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final, Generic, TypeVar

from shared.progress.steps import STEPS, Step


class Outcome(StrEnum):
    """How a checkout ended."""

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
"""The outcome that each event decides; the first of these that was seen counts."""

At = TypeVar("At", bound=Any)
"""A time in any unit that can be compared."""


@dataclass(frozen=True)
class Waiting(Generic[At]):
    """A step that has no answer yet, ``since`` the event that opened it."""

    step: Step
    since: At


@dataclass(frozen=True)
class CheckoutStatus(Generic[At]):
    """``outcome`` may be known while a step still waits, such as the void of a cancelled order."""

    outcome: Outcome | None
    waits: tuple[Waiting[At], ...]

    @property
    def finished(self) -> bool:
        """Whether no step waits."""
        return not self.waits


def status_of(seen: Mapping[str, At]) -> CheckoutStatus[At]:
    """Compute the status from the events seen so far, in any order. ``seen``: the latest time of each event, by its name."""
    seen = _without_undone(seen)
    outcome, steps = _by_kinds(frozenset(seen))
    waits = (Waiting(step, max(min(seen[kind] for kind in group & seen.keys()) for group in step.opened_by)) for step in steps)
    return CheckoutStatus(outcome, tuple(sorted(waits, key=lambda waiting: waiting.since)))


@lru_cache(maxsize=10_000)
def _by_kinds(seen: frozenset[str]) -> tuple[Outcome | None, tuple[Step, ...]]:
    """The outcome of these events, and the steps that wait after them. Cached: checkouts have few different sets of events."""
    outcome = next((outcome for kind, outcome in OUTCOMES.items() if kind in seen), None)
    return outcome, tuple(step for step in STEPS if not step.ended_by & seen and all(group & seen for group in step.opened_by))


_UNDONE: Final = {
    "ReservationExpired": ("StockReserved", "ReservationExtended"),
    "VoidFailed": ("VoidRetried",),
    "RefundFailed": ("RefundRetried",),
}
"""Events that a later one of these undoes. Both are of one service, so one clock dates them."""
_ANSWERS: Final = ("VoidFailed", "RefundFailed")
"""At the same time as a retry, such an event is its answer: no person retries in the moment of a failure."""


def _without_undone(seen: Mapping[str, At]) -> Mapping[str, At]:
    undone = {kind for kind, again in _UNDONE.items() if kind in seen and any(_before(kind, a, seen) for a in again)}
    if "OrderCreated" in seen:  # inventory reserves the units again, or reports them lost
        undone.add("ReservationExpired")
    return {kind: at for kind, at in seen.items() if kind not in undone} if undone else seen


def _before(kind: str, again: str, seen: Mapping[str, At]) -> bool:
    if again not in seen:
        return False
    return bool(seen[kind] < seen[again] if kind in _ANSWERS else seen[kind] <= seen[again])
