"""Who emits, reacts and reads, from registries planted here and from those of the code."""

from dataclasses import dataclass
from typing import Never

import pytest

from devstack.reference import choreography
from devstack.reference.choreography import Choreography
from devstack.reference.diagrams import Story, StoryError, overview, sequence, surroundings
from shared.contract.cart import CheckoutAbandoned, CheckoutConfirmed, ConfirmCheckout
from shared.contract.inventory import ReservationExtended
from shared.contract.order import TotalsCalculated
from shared.contract.payment import PaymentAuthorized, VoidFailed
from shared.contract.rejection import CommandRejected
from shared.contract.topics import DEAD_LETTERS, TOPICS, Topic
from shared.runtime.reactions import Emits, Reactions

CODE = choreography.load()


@dataclass
class Attempt:
    """An aggregate."""

    checkout_id: str = ""


@dataclass(frozen=True)
class Answered:
    """An answer from outside."""

    checkout_id: str


def planted() -> Choreography:
    """Two services, one of which asks somebody outside."""
    cart, payment = Reactions("cart"), Reactions("payment")

    @cart.on(ConfirmCheckout)
    def confirm(attempt: Attempt) -> Emits[CheckoutConfirmed | CommandRejected]:
        """Confirm."""
        yield from ()

    @cart.on(PaymentAuthorized)
    def rejoice(attempt: Attempt) -> Emits[Never]:
        """Rejoice."""
        yield from ()

    @payment.on(CheckoutConfirmed)
    def ask(attempt: Attempt) -> Emits[Never]:
        """Ask."""
        yield from ()

    @payment.on(Answered)
    def on_gateway_result(attempt: Attempt) -> Emits[PaymentAuthorized | VoidFailed]:
        """Go on."""
        yield from ()

    return Choreography((*cart, *payment))


def test_nothing_is_awaited_that_nobody_sends() -> None:
    assert CODE.unheard() == set()
    without_payment = Choreography(tuple(r for r in planted().reactions if r.service == "cart"))
    assert without_payment.unheard() == {PaymentAuthorized}


def test_who_sends_and_who_reads_a_topic() -> None:
    known = planted()
    assert known.sent("cart.events").keys() == {"cart"}
    assert CommandRejected in known.sent("cart.events")["cart"]
    assert CommandRejected not in known.sent("payment.events")["payment"]
    assert known.sent("catalog.events").keys() == {"the shop's catalogue"}
    assert known.sent(DEAD_LETTERS) == {"cart": [], "payment": [VoidFailed]}
    assert known.read("payment", "cart.events") == [CheckoutConfirmed]
    assert known.read("cart", "cart.events") == []
    assert ConfirmCheckout in known.read("cart", "cart.commands")
    assert known.read("alerts", DEAD_LETTERS) == [kind for kind in known.messages(DEAD_LETTERS) if kind.alarm]


def test_a_topic_without_messages_of_its_own_brings_its_reader_what_it_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TOPICS, "cart.again", Topic("cart.again", "any", "alerts", reader="cart"))
    known = planted()
    assert known.sent("cart.again") == {"alerts": [ConfirmCheckout, PaymentAuthorized]}
    assert known.read("cart", "cart.again") == [ConfirmCheckout, PaymentAuthorized]
    assert known.read("payment", "cart.again") == []
    assert '    alerts -. "cart.again" .-> cart' in surroundings(known).splitlines()


def test_the_overview_has_an_edge_for_what_is_heard() -> None:
    lines = overview(planted()).splitlines()
    assert '    cart -- "CheckoutConfirmed" --> payment' in lines
    assert '    payment -- "PaymentAuthorized" --> cart' in lines
    assert not any("VoidFailed" in line for line in lines)


def test_the_surroundings_name_who_is_asked_and_who_speaks() -> None:
    lines = surroundings(planted()).splitlines()
    assert "    payment <--> gateway" in lines
    assert "    cart <--> gateway" not in lines
    assert any('-- "cart.commands" --> cart' in line for line in lines)


def test_a_story_is_drawn_with_every_reaction() -> None:
    story = Story("Paid", "", (ConfirmCheckout, CheckoutConfirmed, PaymentAuthorized))
    assert sequence(story, planted()).splitlines()[2:-1] == [
        "    participant client",
        "    participant cart",
        "    participant payment",
        "    participant gateway",
        "    client->>cart: ConfirmCheckout<br/>confirm",
        "    cart->>payment: CheckoutConfirmed<br/>ask",
        "    gateway-->>payment: Answered",
        "    payment->>cart: PaymentAuthorized<br/>rejoice",
    ]


def test_an_alarm_goes_to_the_reader_of_dead_letters() -> None:
    story = Story("Stuck", "", (ConfirmCheckout, CheckoutConfirmed, VoidFailed))
    assert "    payment-)alerts: VoidFailed<br/>checkout.dlq" in sequence(story, planted()).splitlines()


@pytest.mark.parametrize(
    "messages",
    [
        (CheckoutConfirmed,),
        (ConfirmCheckout, PaymentAuthorized),
        (ConfirmCheckout, CheckoutConfirmed, TotalsCalculated),
        (ConfirmCheckout, CheckoutConfirmed, ReservationExtended),
        (CheckoutAbandoned,),
    ],
    ids=lambda messages: str(messages[-1].__name__),
)
def test_a_story_in_which_a_message_comes_from_nowhere_is_refused(messages: tuple[choreography.Kind, ...]) -> None:
    with pytest.raises(StoryError, match=f"emits {messages[-1].__name__}"):
        sequence(Story("Wonder", "", messages), planted())
