"""Which events answer a confirmation: those of its own command and of its own attempt."""

import pytest

from shared.client.outcome import outcome_of
from shared.contract.cart import (
    AddItem,
    CartReopened,
    CheckoutAlreadyConfirmed,
    CheckoutCompleted,
    CheckoutConfirmed,
    CheckoutRejected,
)
from shared.contract.message import Message
from shared.contract.rejection import CommandRejected
from tests.support.facts import CART, a

OURS, OTHER = "ours", "another tab's"
ADD_REFUSED = a(CommandRejected, command_key=CART, command_id=OTHER, command_type=AddItem.type_name())
CONFIRMED = a(CheckoutConfirmed, command_id=OURS)
PAID = a(CheckoutCompleted)
FAILED = a(CartReopened)
IN_PROGRESS = a(CheckoutAlreadyConfirmed, command_id=OURS, state="in_progress", order_number=None)
DONE = a(CheckoutAlreadyConfirmed, command_id=OURS, state="completed", order_number="Q-0001001")
REFUSED = a(CommandRejected, command_key=CART, command_id=OURS)
MISSING = a(CheckoutRejected, command_id=OURS)
FOREIGN = (
    ADD_REFUSED,
    a(CheckoutRejected, command_id=OTHER),
    a(CheckoutAlreadyConfirmed, command_id=OTHER, state="in_progress", order_number=None),
    a(CheckoutAlreadyConfirmed, command_id=OTHER, state="failed", order_number=None),
    a(CheckoutConfirmed, command_id=OTHER, checkout_id=f"{CART}.9"),
    a(CartReopened, checkout_id=f"{CART}.9"),
    a(CheckoutCompleted, checkout_id=f"{CART}.9"),
)
"""What comes of other commands to the cart, and of other attempts."""


CASES: list[tuple[list[Message], Message | None]] = [
    ([CONFIRMED, PAID], PAID),
    ([CONFIRMED, FAILED], FAILED),
    ([IN_PROGRESS, PAID], PAID),
    ([IN_PROGRESS, FAILED], FAILED),
    ([DONE], DONE),
    ([MISSING], MISSING),
    ([REFUSED], REFUSED),
    ([CONFIRMED], None),
    ([PAID], None),
]


@pytest.mark.parametrize(("events", "outcome"), CASES)
def test_a_confirmation_is_answered_by_its_own_events_whatever_else_comes(
    events: list[Message], outcome: Message | None
) -> None:
    assert outcome_of(OURS, events) == outcome
    among: list[Message] = [*FOREIGN]
    for event in events:
        among += [event, *FOREIGN]
    assert outcome_of(OURS, among) == outcome
