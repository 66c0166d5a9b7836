"""A checkout as the watchdog knows it: rules only, from what was seen of it, in whatever order and however often."""

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

    ``step``: what it waits for and is overdue first, ``overdue_at``: when it will be; both from ``seen``. ``outcome``:
    what it came to, once that was counted. ``alerts``: the kinds of alert that are open for it. ``touched_at``: when the
    last news of it came in.
    """

    checkout_id: str
    seen: dict[str, datetime] = field(default_factory=dict)
    step: str | None = None
    overdue_at: datetime | None = None
    outcome: str | None = None
    alerts: list[str] = field(default_factory=list)
    touched_at: datetime | None = None

    def take_in(self, facts: Mapping[str, datetime], limits: Limits, now: datetime) -> CheckoutStatus[datetime]:
        """Note what happened; returns its status after it."""
        for kind, at in facts.items():
            self.seen[kind] = max(at, self.seen.get(kind, at))
        self.touched_at = now
        status = status_of(self.seen)
        first = min(_deadlines(status, limits), default=None, key=lambda due: due[0])
        self.overdue_at, self.step = (first[0], first[1].step.name) if first else (None, None)
        return status

    def overdue(self, limits: Limits, now: datetime) -> Waiting[datetime] | None:
        """What it has waited for too long, longest if several."""
        due = [(at, waiting) for at, waiting in _deadlines(status_of(self.seen), limits) if at <= now]
        return min(due, key=lambda one: one[0])[1] if due else None


def _deadlines(status: CheckoutStatus[datetime], limits: Limits) -> list[tuple[datetime, Waiting[datetime]]]:
    """When each wait has taken too long. What waits for a person has an alert already."""
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
    """Seconds each step took that has an answer, by its name; without those that had one by the events ``before``."""
    done = _answered(frozenset(before))
    return {
        name: max(
            0.0, (min(seen[kind] for kind in answers) - max(min(seen[k] for k in group) for group in after)).total_seconds()
        )
        for name, (after, answers) in _answered(frozenset(seen)).items()
        if name not in done
    }


def whole(seen: Mapping[str, datetime], outcome: Outcome) -> float | None:
    """Seconds from the confirmation of a checkout to the event that decided it; nothing of one that was not confirmed."""
    confirmed = seen.get(CheckoutConfirmed.__name__)
    decided = [seen[kind] for kind, led_to in OUTCOMES.items() if led_to is outcome and kind in seen]
    return max(0.0, (min(decided) - confirmed).total_seconds()) if confirmed and decided else None


@lru_cache(maxsize=10_000)
def _answered(seen: frozenset[str]) -> dict[str, tuple[list[frozenset[str]], frozenset[str]]]:
    """The steps that have an answer, each with those of the events that opened and that answered it."""
    return {
        name: ([group & seen for group in after], answers & seen)
        for name, after, answers in _TIMED
        if answers & seen and all(group & seen for group in after)
    }
