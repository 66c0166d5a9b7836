"""How a confirmation ends: which of a cart's events answer it, and which are about something else."""

from collections.abc import Iterable
from typing import Final

from shared.contract.cart import (
    CartReopened,
    CheckoutAlreadyConfirmed,
    CheckoutCompleted,
    CheckoutConfirmed,
    CheckoutRejected,
)
from shared.contract.message import Message
from shared.contract.rejection import CommandRejected

Outcome = CheckoutCompleted | CheckoutRejected | CartReopened | CheckoutAlreadyConfirmed | CommandRejected
OUTCOMES: Final = (CheckoutCompleted, CheckoutRejected, CartReopened, CheckoutAlreadyConfirmed, CommandRejected)


def outcome_of(command_id: str, events: Iterable[Message]) -> Outcome | None:
    """How the confirmation with this id ended, or nothing yet. ``events``: those of its cart, in their order.

    Another command's refusal and another attempt's end are not its answer. The end of its own attempt is, whoever
    brought it about, and so it is where an earlier confirmation of the same attempt is still in progress.
    """
    attempt = None
    for event in events:
        match event:
            case CheckoutConfirmed(command_id=answered) | CheckoutAlreadyConfirmed(command_id=answered, state="in_progress"):
                attempt = event.checkout_id if answered == command_id else attempt
            case CheckoutRejected() | CheckoutAlreadyConfirmed() | CommandRejected():
                if event.command_id == command_id:
                    return event
            case CheckoutCompleted() | CartReopened():
                if event.checkout_id == attempt:
                    return event
    return None
