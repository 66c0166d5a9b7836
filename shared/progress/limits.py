"""How long each step may take with the settings of a shop."""

from dataclasses import dataclass
from typing import Final

from shared.progress.steps import Pace, Step
from shared.settings import Settings

_LONGEST_PAUSE_SECONDS: Final = 60.0
"""The longest pause between two calls of payment, whose backoff doubles up to it."""


@dataclass(frozen=True)
class Limits:
    """Seconds a step of each pace may take before its checkout is overdue. A step that needs a person is overdue at once."""

    prompt: float
    gateway: float
    customer: float
    person: float = 0.0

    def seconds(self, step: Step) -> float:
        """The limit of this step, in seconds."""
        return {
            Pace.PROMPT: self.prompt,
            Pace.GATEWAY: self.gateway,
            Pace.CUSTOMER: self.customer,
            Pace.PERSON: self.person,
        }[step.pace]


def limits(settings: Settings) -> Limits:
    """Compute the limits of a shop.

    A gateway step may take ``payment_attempts`` calls, each with a look-up and each until its timeout, with the pauses
    between them. Payment retries for longer than that, but people should know. A customer has until the session expires.
    """
    prompt = settings.step_seconds
    tries = settings.payment_attempts
    pauses = (min(_LONGEST_PAUSE_SECONDS, settings.payment_backoff_seconds * 2**n) for n in range(tries - 1))
    calls = 2 * tries * settings.gateway_timeout_seconds
    return Limits(prompt, calls + sum(pauses) + prompt, settings.session_seconds + prompt)
