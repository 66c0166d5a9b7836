"""The state of a checkout in the watchdog: pure rules over its events, in any order and however often they are read."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final

from shared.contract.cart import CheckoutConfirmed
from shared.progress import OUTCOMES, STEPS, CheckoutStatus, Limits, Outcome, Pace, Waiting, status_of


@dataclass(slots=True)
class Watched:
    """One checkout. ``seen``: when each of its events happened, by name.

    ``step``: the step that is overdue first, ``overdue_at``: when it will be; both follow from ``seen``. ``outcome``: set
    once it was counted. ``alerts``: the kinds of its open alerts. ``touched_at``: when its last event was read.
    """

    checkout_id: str
    seen: dict[str, datetime] = field(default_factory=dict)
    step: str | None = None
    overdue_at: datetime | None = None
    outcome: str | None = None
    alerts: list[str] = field(default_factory=list)
    touched_at: datetime | None = None

    def apply(self, facts: Mapping[str, datetime], limits: Limits, now: datetime) -> CheckoutStatus[datetime]:
        """Apply events; returns the resulting status."""
        for kind, at in facts.items():
            self.seen[kind] = max(at, self.seen.get(kind, at))
        self.touched_at = now
        status = status_of(self.seen)
        first = min(_deadlines(status, limits), default=None, key=lambda due: due[0])
        self.overdue_at, self.step = (first[0], first[1].step.name) if first else (None, None)
        return status

    def overdue(self, limits: Limits, now: datetime) -> Waiting[datetime] | None:
        """What it has waited for too long; the longest wait if there are several."""
        due = [(at, waiting) for at, waiting in _deadlines(status_of(self.seen), limits) if at <= now]
        return min(due, key=lambda one: one[0])[1] if due else None


def _deadlines(status: CheckoutStatus[datetime], limits: Limits) -> list[tuple[datetime, Waiting[datetime]]]:
    """When each wait becomes too long. A wait for a person already has an alert."""
    return [
        (waiting.since + timedelta(seconds=limits.seconds(waiting.step)), waiting)
        for waiting in status.waits
        if waiting.step.pace is not Pace.PERSON
    ]


_TIMED: Final = [
    (
        step.name,
        [frozenset(kind.__name__ for kind in group) for group in step.after],
        frozenset(answer.__name__ for answer in step.answers),
    )
    for step in STEPS
    if step.pace is not Pace.PERSON
]


def durations(seen: Mapping[str, datetime], before: Collection[str] = ()) -> dict[str, float]:
    """Seconds of each answered step, by name; without those that the events ``before`` had answered."""
    done = _answered(frozenset(before))
    return {
        name: max(
            0.0, (min(seen[kind] for kind in answers) - max(min(seen[k] for k in group) for group in after)).total_seconds()
        )
        for name, (after, answers) in _answered(frozenset(seen)).items()
        if name not in done
    }


def total_duration(seen: Mapping[str, datetime], outcome: Outcome) -> float | None:
    """Seconds from the confirmation of a checkout to the event that decided it; None if it was not confirmed."""
    confirmed = seen.get(CheckoutConfirmed.__name__)
    decided = [seen[kind] for kind, led_to in OUTCOMES.items() if led_to is outcome and kind in seen]
    return max(0.0, (min(decided) - confirmed).total_seconds()) if confirmed and decided else None


@lru_cache(maxsize=10_000)
def _answered(seen: frozenset[str]) -> dict[str, tuple[list[frozenset[str]], frozenset[str]]]:
    """The answered steps, each with the events that opened it and those that answered it."""
    return {
        name: ([group & seen for group in after], answers & seen)
        for name, after, answers in _TIMED
        if answers & seen and all(group & seen for group in after)
    }
