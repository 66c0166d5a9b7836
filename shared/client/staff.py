"""Sends decisions of operators as commands, and describes the outcome of each."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, TypeVar

from pydantic import ValidationError

from shared.client import CheckoutClient, OutcomeTimeoutError
from shared.contract.alerts import DeadLetterRedriven, DeadLetterResolved, DeadLetterReturned, RedriveDeadLetter
from shared.contract.faults import sentence
from shared.contract.message import AT_THE_DOOR, Command, Message
from shared.contract.payment import (
    FailedCompensation,
    PaymentCommand,
    PaymentEvent,
    PaymentMarkedPaid,
    PaymentRefunded,
    PaymentVoided,
    RefundFailed,
    SettlementDisputed,
    VoidFailed,
)
from shared.contract.rejection import CommandRejected
from shared.money import display
from shared.settings import Settings

C = TypeVar("C", bound=Command)
SOURCE: Final = "/quadrille/staff"
ENDS: Final = (PaymentVoided, PaymentRefunded, PaymentMarkedPaid, VoidFailed, RefundFailed, SettlementDisputed)
RESULTS: Final = {
    PaymentVoided: "the authorization is released",
    PaymentRefunded: "the payment is refunded",
    PaymentMarkedPaid: "the payment is received",
    VoidFailed: "the void failed again",
    RefundFailed: "the refund failed again",
    SettlementDisputed: "recorded; the alert stays open",
}
DELIVERY_SECONDS: Final = 15.0
"""For the command to reach payment and its outcome to reach us, besides the requests to the gateway."""


class FaultsError(Exception):
    """Invalid input for a command. ``faults``: the command's fields, and what is wrong with each."""

    def __init__(self, faults: Iterable[tuple[str, str]]) -> None:
        self.faults = list(faults)
        super().__init__("; ".join(f"{field}: {why}" for field, why in self.faults))


def command(kind: type[C], **fields: object) -> C:
    """A command from text input. Raises :class:`FaultsError` naming every invalid field."""
    try:
        return kind.model_validate(fields, context=AT_THE_DOOR)
    except ValidationError as error:
        raise FaultsError((str(f["loc"][0]), sentence(f)) for f in error.errors(include_input=False)) from None


@dataclass(frozen=True)
class DecisionResult:
    """The outcome of one decision. ``outcome``: the event's name, ``refused`` or ``unanswered``."""

    subject: str
    done: bool
    outcome: str
    text: str


async def decide(client: CheckoutClient, command: Command, wanted: type[Message], timeout: float) -> DecisionResult:
    """Send a decision about an alert or a dead letter and wait for its outcome."""
    try:
        answer = await client.ask(command, (wanted,), timeout=timeout)
    except OutcomeTimeoutError:
        return DecisionResult(command.key, False, "unanswered", f"no answer within {timeout:g} s; is the service running?")
    if why_not := refusal(answer):
        return DecisionResult(command.key, False, "refused", f"refused: {why_not}")
    name = type(answer).__name__
    return DecisionResult(command.key, True, name, re.sub(r"(?<!^)(?=[A-Z])", " ", name).lower())


@dataclass(frozen=True)
class RedriveResult:
    """The outcome of one redrive: ``handled``, ``came back``, ``parked``, ``refused`` or ``unanswered``; and why."""

    dead_letter_id: str
    outcome: str
    text: str


async def redrive(client: CheckoutClient, command: RedriveDeadLetter, timeout: float) -> RedriveResult:
    """Redrive a dead letter and wait for its outcome, all within ``timeout`` seconds."""
    dead_letter_id = command.dead_letter_id
    try:
        ends = (DeadLetterResolved, DeadLetterReturned)
        answer, end = await client.ask_and_follow(command, DeadLetterRedriven, ends, timeout=timeout)
    except OutcomeTimeoutError:
        return RedriveResult(dead_letter_id, "unanswered", f"no outcome within {timeout:g} s; is the service running?")
    if why_not := refusal(answer):
        return RedriveResult(dead_letter_id, "refused", why_not)
    if isinstance(end, DeadLetterReturned):
        times = "once" if end.returned == 1 else f"{end.returned} times"
        return RedriveResult(dead_letter_id, "parked" if end.parked else "came back", f"came back {times}: {end.reason}")
    assert isinstance(end, DeadLetterResolved)
    return RedriveResult(dead_letter_id, "handled", f"{end.why} by {end.by}")


def patience(settings: Settings) -> float:
    """Seconds within which payment answers a decision: it looks the payment up and makes one request."""
    return 2 * settings.gateway_timeout_seconds + DELIVERY_SECONDS


async def settle(client: CheckoutClient, command: PaymentCommand, timeout: float) -> tuple[DecisionResult, Message | None]:
    """Send a decision about a payment and wait for its outcome: as a sentence, and as the event."""
    try:
        event = await client.ask(command, ENDS, timeout=timeout)
    except OutcomeTimeoutError:
        text = f"No outcome within {timeout:g} s; see `quadrille alerts list`"
        return DecisionResult(command.checkout_id, False, "unanswered", text), None
    if why_not := refusal(event):
        return DecisionResult(command.checkout_id, False, "refused", f"Refused: {why_not}"), event
    assert isinstance(event, PaymentEvent)
    text = f"{display(event.amount, event.currency)} of checkout {event.checkout_id}: {RESULTS[type(event)]}"
    if isinstance(event, FailedCompensation):
        return DecisionResult(command.checkout_id, False, type(event).__name__, f"{text}: {event.reason}"), event
    if isinstance(event, SettlementDisputed):
        text = f"{text}: {event.found}"
    return DecisionResult(command.checkout_id, True, type(event).__name__, text), event


def refusal(event: Message) -> str | None:
    """Why a command was refused, if this is its refusal."""
    if not isinstance(event, CommandRejected):
        return None
    return "; ".join(reason.message for reason in event.reasons)
