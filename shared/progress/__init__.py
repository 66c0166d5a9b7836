"""How far a checkout is, told from the events that were seen of it: pure, and right in whatever order they came."""

from shared.progress.limits import Limits, limits
from shared.progress.standing import OUTCOMES, Outcome, Standing, Waiting, standing
from shared.progress.steps import KINDS, STEPS, Pace, Step

__all__ = ["KINDS", "OUTCOMES", "STEPS", "Limits", "Outcome", "Pace", "Standing", "Step", "Waiting", "limits", "standing"]
