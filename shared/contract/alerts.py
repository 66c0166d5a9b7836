"""Commands to alerts and alerts' facts: what became of failures, and what people did about them.

Key: the id of the alert, or of the dead letter.
"""

from typing import Annotated, ClassVar, Final

from pydantic import StringConstraints

from shared.contract.message import IDENTIFIER, Command, Event, Text

_ALERT, _DEAD_LETTER = r"^[A-Za-z0-9][A-Za-z0-9._:|@/+=~\-]{0,159}$", "^[0-9a-f]{16}$"
PATTERNS: Final = {
    _ALERT: f"must be the id of an alert: 1 to 160 characters ({IDENTIFIER}), beginning with a letter or digit",
    _DEAD_LETTER: "must be the id of a dead letter: 16 hexadecimal digits",
}
"""What the patterns of these ids mean, in words."""
AlertId = Annotated[str, StringConstraints(pattern=_ALERT)]
"""What an alert is known by, and the same for the same failure: ``void:CHECKOUT``, ``refund:CHECKOUT``, ``dead:LETTER``."""
DeadLetterId = Annotated[str, StringConstraints(pattern=_DEAD_LETTER)]
"""What a dead letter is known by, and the same however often its record fails: 16 hexadecimal digits."""


class AlertCommand(Command, abstract=True):
    """What somebody decided about one alert: who, and why."""

    topic: ClassVar[str] = "alerts.commands"
    key_field: ClassVar[str] = "alert_id"
    alert_id: AlertId
    by: Text
    why: Text


class AcknowledgeAlert(AlertCommand):
    """Somebody works on it."""


class ResolveAlert(AlertCommand):
    """It is dealt with. An alert of money closes by itself when the money is settled."""

    settled: bool = False
    """Close an alert of money all the same: it is settled, though payment never said so."""


class DeadLetterCommand(Command, abstract=True):
    """What somebody decided about one dead letter: who, and why."""

    topic: ClassVar[str] = "alerts.commands"
    key_field: ClassVar[str] = "dead_letter_id"
    dead_letter_id: DeadLetterId
    by: Text
    why: Text


class RedriveDeadLetter(DeadLetterCommand):
    """Send the record once more to the service that failed."""

    parked: bool = False
    """Even if it is parked."""


class ParkDeadLetter(DeadLetterCommand):
    """Park it: only a redrive that asks for parked dead letters takes it."""


class ResolveDeadLetter(DeadLetterCommand):
    """It needs nothing any more. The service that failed says so itself once it has handled a redrive."""


class AlertEvent(Event, abstract=True):
    """A fact about one alert."""

    topic: ClassVar[str] = "alerts.events"
    key_field: ClassVar[str] = "alert_id"
    alert_id: AlertId
    checkout_id: str | None


class AlertOpened(AlertEvent):
    """Something failed that a person must know of, for the first time or anew."""

    kind: str
    """What sort of failure it is, for programs."""
    severity: str
    """``critical`` or ``warning``."""
    service: str
    """The service that failed, or that what failed belongs to."""
    title: str
    """What happened, in a line."""
    text: str
    """What happened and what to do about it, with the commands to run."""


class AlertAcknowledged(AlertEvent):
    """Somebody works on it."""

    by: str
    why: str


class AlertResolved(AlertEvent):
    """It is over."""

    by: str
    why: str


class DeadLetterEvent(Event, abstract=True):
    """A fact about one dead letter."""

    topic: ClassVar[str] = "alerts.events"
    key_field: ClassVar[str] = "dead_letter_id"
    dead_letter_id: DeadLetterId
    service: str
    """The service that failed; several, with commas between them, where none of them could read the record."""


class DeadLetterRedriven(DeadLetterEvent):
    """The record is on its way to the service once more."""

    replays: int
    """How often that was done so far."""
    by: str
    why: str


class DeadLetterReturned(DeadLetterEvent):
    """The record failed again after a redrive."""

    returned: int
    """How often it came back so far."""
    reason: str
    """The error, and what it says."""
    parked: bool
    """Whether that was too often: it is parked now."""


class DeadLetterParked(DeadLetterEvent):
    """The dead letter is parked: only a redrive that asks for parked dead letters takes it."""

    by: str
    why: str


class DeadLetterResolved(DeadLetterEvent):
    """The dead letter is dealt with."""

    by: str
    why: str
