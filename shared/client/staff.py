"""What staff decide: published as a command, and what came of it in words."""

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
SAID: Final = {
    PaymentVoided: "nothing is held any more",
    PaymentRefunded: "the money went back",
    PaymentMarkedPaid: "the money is received",
    VoidFailed: "the void failed again",
    RefundFailed: "the refund failed again",
    SettlementDisputed: "recorded, and the alert stays open",
}
ON_THE_WAY_SECONDS: Final = 15.0
"""For a command to reach payment, and its outcome us, beside the requests to the gateway."""


class FaultsError(Exception):
    """What was typed does not make a command. ``faults``: by the command's field, why."""

    def __init__(self, faults: Iterable[tuple[str, str]]) -> None:
        self.faults = list(faults)
        super().__init__("; ".join(f"{field}: {why}" for field, why in self.faults))


def command(kind: type[C], **fields: object) -> C:
    """A command, from what was typed. Raises :class:`FaultsError` naming every field that cannot be so."""
    try:
        return kind.model_validate(fields, context=AT_THE_DOOR)
    except ValidationError as error:
        raise FaultsError((str(f["loc"][0]), sentence(f)) for f in error.errors(include_input=False)) from None


@dataclass(frozen=True)
class Decided:
    """What came of one decision. ``outcome``: the event's name; ``refused``, ``unanswered``."""

    subject: str
    done: bool
    outcome: str
    words: str


async def decide(client: CheckoutClient, command: Command, wanted: type[Message], timeout: float) -> Decided:
    """Publish a decision about an alert or a dead letter and hear what came of it."""
    try:
        answer = await client.ask(command, (wanted,), timeout=timeout)
    except OutcomeTimeoutError:
        return Decided(command.key, False, "unanswered", f"not answered within {timeout:g} s; is the service running?")
    if why_not := refusal(answer):
        return Decided(command.key, False, "refused", f"refused: {why_not}")
    name = type(answer).__name__
    return Decided(command.key, True, name, re.sub(r"(?<!^)(?=[A-Z])", " ", name).lower())


@dataclass(frozen=True)
class Replayed:
    """What became of one dead letter: ``handled``, ``came back``, ``parked``, ``refused`` or ``unanswered``; and why."""

    letter_id: str
    outcome: str
    words: str


async def redrive(client: CheckoutClient, command: RedriveDeadLetter, timeout: float) -> Replayed:
    """Send a dead letter once more, and hear what became of it, all within ``timeout`` seconds."""
    letter_id = command.letter_id
    try:
        ends = (DeadLetterResolved, DeadLetterReturned)
        answer, end = await client.ask_and_follow(command, DeadLetterRedriven, ends, timeout=timeout)
    except OutcomeTimeoutError:
        return Replayed(letter_id, "unanswered", f"nothing was heard of it within {timeout:g} s; is the service running?")
    if why_not := refusal(answer):
        return Replayed(letter_id, "refused", why_not)
    if isinstance(end, DeadLetterReturned):
        times = "once" if end.returned == 1 else f"{end.returned} times"
        return Replayed(letter_id, "parked" if end.parked else "came back", f"came back {times}: {end.reason}")
    assert isinstance(end, DeadLetterResolved)
    return Replayed(letter_id, "handled", f"{end.why} by {end.by}")


def patience(settings: Settings) -> float:
    """Seconds within which payment answers a decision about money: it looks the payment up, and asks for one thing."""
    return 2 * settings.gateway_timeout_seconds + ON_THE_WAY_SECONDS


async def settle(client: CheckoutClient, command: PaymentCommand, timeout: float) -> tuple[Decided, Message | None]:
    """Publish a decision about a customer's money, and hear how it ended: in words, and as the event."""
    try:
        event = await client.ask(command, ENDS, timeout=timeout)
    except OutcomeTimeoutError:
        words = f"Payment did not say how it ended within {timeout:g} s; see `quadrille alerts list`"
        return Decided(command.checkout_id, False, "unanswered", words), None
    if why_not := refusal(event):
        return Decided(command.checkout_id, False, "refused", f"Refused: {why_not}"), event
    assert isinstance(event, PaymentEvent)
    words = f"{display(event.amount, event.currency)} of checkout {event.checkout_id}: {SAID[type(event)]}"
    if isinstance(event, FailedCompensation):
        return Decided(command.checkout_id, False, type(event).__name__, f"{words}: {event.reason}"), event
    if isinstance(event, SettlementDisputed):
        words = f"{words}: {event.found}"
    return Decided(command.checkout_id, True, type(event).__name__, words), event


def refusal(event: Message) -> str | None:
    """Why a command was refused, in words, if this is its refusal."""
    if not isinstance(event, CommandRejected):
        return None
    return "; ".join(reason.message for reason in event.reasons)
