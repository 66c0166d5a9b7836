"""Alerts and dead letters: identity, state, and what may be done about them."""

from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, PlainSerializer

from services.alerts.states import AlertState, DeadLetterState
from shared.contract.alerts import (
    AlertAcknowledged,
    AlertOpened,
    AlertResolved,
    DeadLetterParked,
    DeadLetterRedriven,
    DeadLetterResolved,
    DeadLetterReturned,
)
from shared.contract.text import counted, plain
from shared.contract.values import Reason

MAX_RETURNS: Final = 3
"""Failed redrives of a record after which it is parked."""
MAX_TITLE, MAX_TEXT = 300, 3_000
"""Characters of an alert's title and text."""
RETRIED: Final = "retried"
"""The action of a person who retried what had failed."""
REMEMBERED: Final = 100
"""Occurrences an alert remembers, to recognise a report that arrives again by another way."""


@dataclass(frozen=True, slots=True)
class Action:
    """What somebody did about an alert or a dead letter, and why."""

    what: str
    by: str
    why: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Failure:
    """What failed, as an alert for people. ``alert_id``: the same for the same failure, however often it is seen.

    ``occurrence``: identifies one report of it; None where a report arrives by one way only. ``quiet``: send no
    notification, because many like it were sent.
    """

    alert_id: str
    kind: str
    severity: Literal["critical", "warning"]
    title: str
    text: str
    service: str
    checkout_id: str | None = None
    occurrence: str | None = None
    quiet: bool = False


MONEY: Final = ("void_failed", "refund_failed")
"""The kinds of alert about a customer's stuck money."""
ABOUT_MONEY: Final = (*MONEY, "authorization_expiring", "foreign_payment")
"""The kinds of alert that are sent and listed first."""


def runbook(kind: str) -> str:
    """The section of the documents that says what to do about alerts of a kind."""
    return f"docs/operate.md#{kind}"


@dataclass(slots=True)
class Alert:
    """One failure, however often it is seen. ``letters``: the ids of its dead letters.

    ``notify_at``: since when its notifications are due; None once each target has it in its queue.
    """

    alert_id: str
    state: AlertState | None = None
    kind: str = ""
    severity: str = ""
    title: str = ""
    text: str = ""
    service: str = ""
    checkout_id: str | None = None
    times_seen: int = 0
    first_seen_at: datetime | None = None
    last_seen_at: datetime | None = None
    resolved_at: datetime | None = None
    notify_at: datetime | None = None
    dead_letters: list[str] = field(default_factory=list)
    occurrences: list[str] = field(default_factory=list)
    actions: list[Action] = field(default_factory=list)

    @property
    def over(self) -> bool:
        """Whether nobody needs to do anything."""
        return self.state in (None, AlertState.RESOLVED)

    def knows(self, failure: Failure) -> bool:
        """Whether this report arrived before."""
        return failure.occurrence in self.occurrences

    @property
    def retried(self) -> bool:
        """Whether the last action was a retry of what had failed."""
        return bool(self.actions) and self.actions[-1].what == RETRIED

    def report(self, failure: Failure, now: datetime, *, again: bool = False) -> AlertOpened | None:
        """Record the failure; returns an event if the alert was not open.

        ``again``: a retry or a redrive failed. This opens an acknowledged alert again and notifies people, once per
        occurrence.
        """
        notified = self.knows(failure) and not self.over
        opens = self.over or (again and self.state is AlertState.ACKNOWLEDGED)
        self.kind, self.severity = failure.kind, failure.severity
        self.title, self.text = plain(failure.title, MAX_TITLE), plain(failure.text, MAX_TEXT)
        self.service, self.checkout_id = failure.service, failure.checkout_id
        self.times_seen += not notified
        self.first_seen_at, self.last_seen_at = self.first_seen_at or now, now
        if failure.occurrence:
            self.remember(failure.occurrence)
        if not opens:
            return None
        self.state, self.resolved_at = AlertState.OPEN, None
        if not notified:
            self.notify_at = None if failure.quiet else now
        return AlertOpened(
            alert_id=self.alert_id,
            checkout_id=self.checkout_id,
            kind=self.kind,
            severity=self.severity,
            service=self.service,
            title=self.title,
            text=self.text,
        )

    def remember(self, occurrence: str) -> None:
        """Recognise this report from now on."""
        if occurrence not in self.occurrences:
            self.occurrences = [*self.occurrences, occurrence][-REMEMBERED:]

    def acknowledge(self, what: str, by: str, why: str, now: datetime) -> AlertAcknowledged | None:
        """Record that somebody works on it; returns an event if nobody did before."""
        self.actions.append(Action(what, by, why, now))
        if self.state is not AlertState.OPEN:
            return None
        self.state = AlertState.ACKNOWLEDGED
        return AlertAcknowledged(alert_id=self.alert_id, checkout_id=self.checkout_id, by=by, why=why)

    def resolve(self, by: str, why: str, now: datetime) -> AlertResolved | None:
        """Close it; returns an event if it was not closed."""
        if self.over:
            return None
        self.actions.append(Action("resolved", by, why, now))
        self.state, self.resolved_at, self.notify_at = AlertState.RESOLVED, now, None
        return AlertResolved(alert_id=self.alert_id, checkout_id=self.checkout_id, by=by, why=why)


DeadLetterKind = Literal["record", "timer", "compensation", "foreign", "lost"]
"""A record a service could not read or handle, a failed timer, a failed compensation, a record nobody of ours reported, or
records that were deleted unread."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a record is a dead letter, and its first topic, partition and offset (``position``; -1 if it had none)."""

    dead_letter_id: str
    kind: DeadLetterKind
    service: str
    stage: str
    topic: str
    partition: int
    position: int
    redrive_partition: int
    error: str
    reason: str
    cause: str
    message_type: str | None
    message_id: str | None
    checkout_id: str | None
    size: int


@dataclass(slots=True)
class DeadLetter:
    """A record that failed, through all its redrives. Its bytes are a :class:`DeadRecord`.

    ``redrive_partition``: where its redrive goes. ``cause``: error and reason without variable parts. ``seen``: how often it
    failed. ``replays``: redrives; ``returned``: those that failed. ``services``: the services that failed and
    have not handled it since, several where they read the same topic.
    """

    dead_letter_id: str
    state: DeadLetterState | None = None
    kind: DeadLetterKind = "record"
    alert_id: str = ""
    service: str = ""
    stage: str = ""
    topic: str = ""
    partition: int = -1
    position: int = -1
    redrive_partition: int = -1
    error: str = ""
    reason: str = ""
    cause: str = ""
    message_type: str | None = None
    message_id: str | None = None
    checkout_id: str | None = None
    size: int = 0
    seen: int = 0
    replays: int = 0
    returned: int = 0
    first_failed_at: datetime | None = None
    last_failed_at: datetime | None = None
    actions: list[Action] = field(default_factory=list)
    services: list[str] = field(default_factory=list)

    @property
    def who(self) -> str:
        """The services that failed, for people."""
        return ", ".join(self.services) or self.service

    @property
    def place(self) -> str:
        """The record's first topic, partition and offset, for people."""
        return f"{self.topic}/{self.partition}/{self.position}" if self.position >= 0 else "no topic"

    def fail(self, fault: Fault, now: datetime) -> DeadLetterReturned | None:
        """Record a failure; returns an event if a redrive failed."""
        came_back = self.state is DeadLetterState.REDRIVEN
        parked = self.state is DeadLetterState.PARKED or (came_back and self.returned + 1 >= MAX_RETURNS)
        others = [] if self.state in (None, DeadLetterState.RESOLVED) else self.services
        self.services = sorted({*others, fault.service})
        for one in fields(fault):
            setattr(self, one.name, getattr(fault, one.name))
        self.seen += 1
        self.first_failed_at, self.last_failed_at = self.first_failed_at or now, now
        self.state = DeadLetterState.PARKED if parked else DeadLetterState.OPEN
        if not came_back:
            return None
        self.returned += 1
        reason = f"{self.error}: {self.reason}"
        self.actions.append(Action("came back", self.service, reason, now))
        return DeadLetterReturned(**self._names, returned=self.returned, reason=reason, parked=parked)

    def why_not_redriven(self, *, parked: bool) -> Reason | None:
        """Why it cannot be redriven, if so."""
        faults = {
            "compensation": "the payment is stuck, not the message; follow its alert",
            "timer": "it is a timer and not a record; its service retries it",
            "foreign": "none of our services reported it, so there is no service to send it to",
            "lost": "the broker has deleted the records it is about, so there is nothing to send",
        }
        if self.kind in faults:
            return Reason(code="not_redrivable", message=faults[self.kind])
        if self.state is DeadLetterState.PARKED and not parked:
            return Reason(code="parked", message=f"it is parked ({counted(self.returned, 'failed redrive')})")
        if self.state in (DeadLetterState.REDRIVEN, DeadLetterState.RESOLVED):
            return Reason(code=f"{self.state}", message=f"it is already {self.state}")
        return None

    def redrive(self, by: str, why: str, now: datetime) -> DeadLetterRedriven:
        """Send it once more."""
        self.state = DeadLetterState.REDRIVEN
        self.replays += 1
        self.actions.append(Action("redriven", by, why, now))
        return DeadLetterRedriven(**self._names, replays=self.replays, by=by, why=why)

    def park(self, by: str, why: str, now: datetime) -> DeadLetterParked:
        """Park it: only a redrive that names it sends it again."""
        self.state = DeadLetterState.PARKED
        self.actions.append(Action("parked", by, why, now))
        return DeadLetterParked(**self._names, by=by, why=why)

    def resolve(self, by: str, why: str, now: datetime) -> DeadLetterResolved | None:
        """Close it; returns an event if it was not closed."""
        if self.state in (None, DeadLetterState.RESOLVED):
            return None
        self.state = DeadLetterState.RESOLVED
        self.actions.append(Action("resolved", by, why, now))
        return DeadLetterResolved(**self._names, by=by, why=why)

    def handled_by(self, service: str) -> bool:
        """Record that a service handled its redrive; returns whether other services have yet to."""
        if service not in self.services or len(self.services) == 1:
            return False
        self.services.remove(service)
        return True

    @property
    def _names(self) -> dict[str, str]:
        return {"dead_letter_id": self.dead_letter_id, "service": self.who}


Bytea = Annotated[
    bytes,
    BeforeValidator(lambda raw: bytes.fromhex(raw[2:]) if isinstance(raw, str) else raw),
    PlainSerializer(lambda value: f"\\x{value.hex()}"),
]
"""Bytes as PostgreSQL writes them in JSON."""


@dataclass(slots=True)
class DeadRecord:
    """The original bytes of a dead letter. ``headers``: packed (see :mod:`shared.runtime.records`)."""

    dead_letter_id: str
    key: Bytea | None = None
    value: Bytea | None = None
    headers: Bytea = b"[]"
