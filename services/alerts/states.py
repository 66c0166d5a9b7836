"""The states of alerts and dead letters. The command's help imports this module, so it imports nothing heavy."""

from enum import StrEnum


class AlertState(StrEnum):
    """``open`` → ``acknowledged`` → ``resolved``; ``open`` again when it recurs."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


class DeadLetterState(StrEnum):
    """``open`` → ``redriven`` → ``resolved`` when it was handled, or ``open`` again when the redrive failed, ``parked``
    after three failed redrives. A person may park or resolve it at any time.
    """

    OPEN = "open"
    REDRIVEN = "redriven"
    PARKED = "parked"
    RESOLVED = "resolved"
