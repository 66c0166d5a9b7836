"""Alerts and dead letters: what they are known by, in what state they are, and what may be done about them."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, PlainSerializer

from services.alerts.states import AlertState as AlertState
from services.alerts.states import LetterState as LetterState
from shared.contract.alerts import (
    AlertAcknowledged,
    AlertOpened,
    AlertResolved,
    DeadLetterParked,
    DeadLetterRedriven,
    DeadLetterResolved,
    DeadLetterReturned,
)
from shared.contract.text import plain
from shared.contract.values import Reason

MAX_RETURNS: Final = 3
"""How often a record may come back from a redrive before it is parked."""
MAX_TITLE, MAX_TEXT = 300, 3_000
"""Characters of what people are told."""
RETRIED: Final = "retried"
"""The action of whoever tries again what has failed."""
REMEMBERED: Final = 100
"""Reports of one alert that are known again when they come once more, by another way."""


@dataclass(frozen=True, slots=True)
class Action:
    """Something that was done: what, by whom, and why."""

    what: str
    by: str
    why: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Failure:
    """What failed, for people. ``alert_id``: the same for the same failure, however often it is seen.

    ``occurrence``: the same for the same report of it, whichever way it came; none where it comes one way only.
    ``quiet``: nobody is notified, as they were of so many like it.
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
"""The kinds of alert that say a customer's money is stuck."""
ABOUT_MONEY: Final = (*MONEY, "hold_nearly_lapsed", "foreign_payment")
"""The kinds of alert that people hear of and see first."""


@dataclass(slots=True)
class Alert:
    """One failure, however often it is seen. ``letters``: the dead letters it is about.

    ``notify_at``: since when every target is to be told that it is open; nothing once each has it in its queue.
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
    letters: list[str] = field(default_factory=list)
    occurrences: list[str] = field(default_factory=list)
    actions: list[Action] = field(default_factory=list)

    @property
    def over(self) -> bool:
        """Whether nobody needs to do anything."""
        return self.state in (None, AlertState.RESOLVED)

    def knows(self, failure: Failure) -> bool:
        """Whether this very report came before."""
        return failure.occurrence in self.occurrences

    @property
    def retried(self) -> bool:
        """Whether the last that somebody did about it was to try again what had failed."""
        return bool(self.actions) and self.actions[-1].what == RETRIED

    def report(self, failure: Failure, now: datetime, *, anew: bool = False) -> AlertOpened | None:
        """The failure was seen; returns what is to be said where the alert was not open.

        ``anew``: what somebody did about it was in vain. Then it is open again and people are told, though somebody had
        acknowledged it; of one and the same report they hear once.
        """
        told = self.knows(failure) and not self.over
        news = self.over or (anew and self.state is AlertState.ACKNOWLEDGED)
        self.kind, self.severity = failure.kind, failure.severity
        self.title, self.text = plain(failure.title, MAX_TITLE), plain(failure.text, MAX_TEXT)
        self.service, self.checkout_id = failure.service, failure.checkout_id
        self.times_seen += not told
        self.first_seen_at, self.last_seen_at = self.first_seen_at or now, now
        if failure.occurrence:
            self.remember(failure.occurrence)
        if not news:
            return None
        self.state, self.resolved_at = AlertState.OPEN, None
        if not told:
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
        """This report of it has come, or needs not come any more."""
        if occurrence not in self.occurrences:
            self.occurrences = [*self.occurrences, occurrence][-REMEMBERED:]

    def acknowledge(self, what: str, by: str, why: str, now: datetime) -> AlertAcknowledged | None:
        """Somebody works on it; returns what is to be said where nobody did before."""
        self.actions.append(Action(what, by, why, now))
        if self.state is not AlertState.OPEN:
            return None
        self.state = AlertState.ACKNOWLEDGED
        return AlertAcknowledged(alert_id=self.alert_id, checkout_id=self.checkout_id, by=by, why=why)

    def resolve(self, by: str, why: str, now: datetime) -> AlertResolved | None:
        """It is over; returns what is to be said where it was not."""
        if self.over:
            return None
        self.actions.append(Action("resolved", by, why, now))
        self.state, self.resolved_at, self.notify_at = AlertState.RESOLVED, now, None
        return AlertResolved(alert_id=self.alert_id, checkout_id=self.checkout_id, by=by, why=why)


LetterKind = Literal["record", "deadline", "compensation", "foreign", "lost"]
"""A record that a service could not read or handle; a deadline of its own; a compensation that failed; something else."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a record is a dead letter, and where it first stood (``position``: its offset there, or -1)."""

    letter_id: str
    kind: LetterKind
    service: str
    stage: str
    topic: str
    partition: int
    position: int
    lane: int
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

    ``lane``: the partition it lies on, of every topic. ``cause``: error and reason without what differs from one to the
    next. ``seen``: times it failed. ``replays``, ``returned``: how often it was redriven, and came back. ``services``:
    who failed and has not handled it since; several where a record they all read says nothing to any of them.
    """

    letter_id: str
    state: LetterState | None = None
    kind: LetterKind = "record"
    alert_id: str = ""
    service: str = ""
    stage: str = ""
    topic: str = ""
    partition: int = -1
    position: int = -1
    lane: int = -1
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
        """Where the record first stood, for people."""
        return f"{self.topic}/{self.partition}/{self.position}" if self.position >= 0 else "no topic"

    def fail(self, fault: Fault, now: datetime) -> DeadLetterReturned | None:
        """The record failed, for the first time or again; returns what is to be said where it came back from a redrive."""
        came_back = self.state is LetterState.REDRIVEN
        parked = self.state is LetterState.PARKED or (came_back and self.returned + 1 >= MAX_RETURNS)
        others = [] if self.state in (None, LetterState.RESOLVED) else self.services
        self.services = sorted({*others, fault.service})
        self.kind, self.service, self.stage, self.lane, self.size = (
            fault.kind,
            fault.service,
            fault.stage,
            fault.lane,
            fault.size,
        )
        self.topic, self.partition, self.position = fault.topic, fault.partition, fault.position
        self.error, self.reason, self.cause = fault.error, fault.reason, fault.cause
        self.message_type, self.message_id, self.checkout_id = fault.message_type, fault.message_id, fault.checkout_id
        self.seen += 1
        self.first_failed_at, self.last_failed_at = self.first_failed_at or now, now
        self.state = LetterState.PARKED if parked else LetterState.OPEN
        if not came_back:
            return None
        self.returned += 1
        reason = f"{self.error}: {self.reason}"
        self.actions.append(Action("came back", self.service, reason, now))
        return DeadLetterReturned(**self._names, returned=self.returned, reason=reason, parked=parked)

    def why_not_redriven(self, *, parked: bool) -> Reason | None:
        """What stands against a redrive, if anything."""
        faults = {
            "compensation": "the money is stuck, not the message: see what its alert says to do",
            "deadline": "it is no record but a deadline, which its service tries again by itself",
            "foreign": "no service of ours says that it failed, so there is nobody to send it to",
            "lost": "it tells of records that the broker has deleted, so there is nothing to send",
        }
        if self.kind in faults:
            return Reason(code="not_redrivable", message=faults[self.kind])
        if self.state is LetterState.PARKED and not parked:
            return Reason(code="parked", message=f"it is parked, after it came back {self.returned} times")
        if self.state in (LetterState.REDRIVEN, LetterState.RESOLVED):
            return Reason(code=f"{self.state}", message=f"it is {self.state} already")
        return None

    def redrive(self, by: str, why: str, now: datetime) -> DeadLetterRedriven:
        """It is sent once more."""
        self.state = LetterState.REDRIVEN
        self.replays += 1
        self.actions.append(Action("redriven", by, why, now))
        return DeadLetterRedriven(**self._names, replays=self.replays, by=by, why=why)

    def park(self, by: str, why: str, now: datetime) -> DeadLetterParked:
        """It is set aside."""
        self.state = LetterState.PARKED
        self.actions.append(Action("parked", by, why, now))
        return DeadLetterParked(**self._names, by=by, why=why)

    def resolve(self, by: str, why: str, now: datetime) -> DeadLetterResolved | None:
        """It is dealt with; returns what is to be said where it was not before."""
        if self.state in (None, LetterState.RESOLVED):
            return None
        self.state = LetterState.RESOLVED
        self.actions.append(Action("resolved", by, why, now))
        return DeadLetterResolved(**self._names, by=by, why=why)

    def handled_by(self, service: str) -> bool:
        """A service has handled its redrive; returns whether others have not, so that the dead letter stays."""
        if service not in self.services or len(self.services) == 1:
            return False
        self.services.remove(service)
        return True

    @property
    def _names(self) -> dict[str, str]:
        return {"letter_id": self.letter_id, "service": self.who}


Bytea = Annotated[
    bytes,
    BeforeValidator(lambda told: bytes.fromhex(told[2:]) if isinstance(told, str) else told),
    PlainSerializer(lambda value: f"\\x{value.hex()}"),
]
"""Bytes as PostgreSQL writes them in JSON."""


@dataclass(slots=True)
class DeadRecord:
    """The bytes of a dead letter, as they first came. ``headers``: packed (see :mod:`shared.runtime.records`)."""

    letter_id: str
    key: Bytea | None = None
    value: Bytea | None = None
    headers: Bytea = b"[]"
