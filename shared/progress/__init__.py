"""How far a checkout is, computed from its events in any order. Pure."""

from shared.progress.limits import Limits, limits
from shared.progress.status import OUTCOMES, CheckoutStatus, Outcome, Waiting, status_of
from shared.progress.steps import KINDS, STEPS, Pace, Step

__all__ = [
    "KINDS",
    "OUTCOMES",
    "STEPS",
    "CheckoutStatus",
    "Limits",
    "Outcome",
    "Pace",
    "Step",
    "Waiting",
    "limits",
    "status_of",
]
