"""How long each step should take, as a shop is set up."""

from dataclasses import dataclass
from typing import Final

from shared.progress.steps import Pace, Step
from shared.settings import Settings

_LONGEST_PAUSE_SECONDS: Final = 60.0
"""Payment's backoff doubles up to this."""


@dataclass(frozen=True)
class Limits:
    """Seconds a step of each pace may take before the checkout counts as stuck. What waits for a person is stuck at once."""

    prompt: float
    gateway: float
    customer: float
    person: float = 0.0

    def seconds(self, step: Step) -> float:
        """How long this step should take at most."""
        return {
            Pace.PROMPT: self.prompt,
            Pace.GATEWAY: self.gateway,
            Pace.CUSTOMER: self.customer,
            Pace.PERSON: self.person,
        }[step.pace]


def limits(settings: Settings) -> Limits:
    """The limits of a shop.

    A gateway that answers is done with a call within ``payment_attempts`` of them, each with a look-up, each until the
    time limit, with pauses between. What takes longer has no answer yet; payment goes on asking, for as long as the call
    is worth something, but people should know of it. A customer has the session's time.
    """
    prompt = settings.step_seconds
    tries = settings.payment_attempts
    pauses = (min(_LONGEST_PAUSE_SECONDS, settings.payment_backoff_seconds * 2**n) for n in range(tries - 1))
    calls = 2 * tries * settings.gateway_timeout_seconds
    return Limits(prompt, calls + sum(pauses) + prompt, settings.session_seconds + prompt)
