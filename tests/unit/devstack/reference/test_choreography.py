"""What diagrams refuse. What they and the choreography show is in the documents, which must be current."""

import pytest

from devstack.reference import choreography
from devstack.reference.diagrams import Story, StoryError, sequence
from shared.contract.cart import CheckoutAbandoned, CheckoutConfirmed, ConfirmCheckout
from shared.contract.inventory import ReservationExtended
from shared.contract.order import OrderConfirmed
from shared.contract.payment import PaymentAuthorized

CODE = choreography.load()


@pytest.mark.parametrize(
    "messages",
    [
        (CheckoutConfirmed,),
        (ConfirmCheckout, PaymentAuthorized),
        (ConfirmCheckout, CheckoutConfirmed, OrderConfirmed),
        (ConfirmCheckout, ReservationExtended),
        (CheckoutAbandoned,),
    ],
    ids=lambda messages: str(messages[-1].__name__),
)
def test_a_story_in_which_a_message_comes_from_nowhere_is_refused(messages: tuple[choreography.Kind, ...]) -> None:
    with pytest.raises(StoryError, match=f"emits {messages[-1].__name__}"):
        sequence(Story("Wonder", "", messages), CODE)
