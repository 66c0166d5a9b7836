"""The metrics of checkouts: how they ended, and how long each step took."""

from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from services.journal.model import Checkout
from shared.contract.cart import CheckoutConfirmed
from shared.progress import OUTCOMES, STEPS, Outcome, Pace
from shared.runtime.observability.metrics import SECONDS, Children

checkouts = Children(Counter("quadrille_checkouts_total", "Decided checkouts, by outcome", ["outcome"]))
checkout_seconds = Children(
    Histogram(
        "quadrille_checkout_seconds",
        "Seconds from a customer's confirmation to the outcome of the checkout",
        ["outcome"],
        buckets=SECONDS,
    )
)
step_seconds = Children(
    Histogram("quadrille_step_seconds", "Seconds from the event that opens a step to its answer", ["step"], buckets=SECONDS)
)
_waiting = Gauge("quadrille_checkouts_waiting", "Checkouts that wait for a service or the gateway, by step", ["step"])
_AUTOMATIC: Final = [step for step in STEPS if step.pace in (Pace.PROMPT, Pace.GATEWAY)]
_TIMED: Final = [
    (step.name, step.opened_by, frozenset(answer.__name__ for answer in step.answers))
    for step in STEPS
    if step.pace is not Pace.PERSON
]
for _outcome in Outcome:
    checkouts[_outcome]
    checkout_seconds[_outcome]
for _step in STEPS:
    step_seconds[_step.name]


def set_waiting(counts: Mapping[str, int]) -> None:
    """Set the number of waiting checkouts per step; 0 for steps without a count."""
    for step in _AUTOMATIC:
        _waiting.labels(step.name).set(counts.get(step.name, 0))


def observe(written: Iterable[Checkout], before: Mapping[str, Collection[str]]) -> None:
    """Count what checkouts have newly come to. ``before``: the names of the events that each had before, by its id."""
    for checkout in written:
        known = before.get(checkout.checkout_id, ())
        for step, seconds in durations(checkout.steps, known).items():
            step_seconds[step].observe(seconds)
        if checkout.outcome and not OUTCOMES.keys() & known:
            checkouts[checkout.outcome].inc()
            if (seconds_of_all := total_duration(checkout.steps, checkout.outcome)) is not None:
                checkout_seconds[checkout.outcome].observe(seconds_of_all)


def durations(seen: Mapping[str, int], before: Collection[str] = ()) -> dict[str, float]:
    """Seconds of each answered step, by name; without those that the events ``before`` had answered.

    ``seen``: when each event happened, in milliseconds.
    """
    done = _answered(frozenset(before))
    return {
        name: max(0, min(seen[kind] for kind in answers) - max(min(seen[k] for k in group) for group in after)) / 1000
        for name, (after, answers) in _answered(frozenset(seen)).items()
        if name not in done
    }


def total_duration(seen: Mapping[str, int], outcome: str) -> float | None:
    """Seconds from the confirmation of a checkout to the event that decided it; None if it was not confirmed."""
    confirmed = seen.get(CheckoutConfirmed.__name__)
    decided = [seen[kind] for kind, led_to in OUTCOMES.items() if led_to == outcome and kind in seen]
    return max(0, min(decided) - confirmed) / 1000 if confirmed and decided else None


@lru_cache(maxsize=10_000)
def _answered(seen: frozenset[str]) -> dict[str, tuple[list[frozenset[str]], frozenset[str]]]:
    """The answered steps, each with the events that opened it and those that answered it."""
    return {
        name: ([group & seen for group in after], answers & seen)
        for name, after, answers in _TIMED
        if answers & seen and all(group & seen for group in after)
    }
