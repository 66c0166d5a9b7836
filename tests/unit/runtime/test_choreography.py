"""The registries of the services fit together: nothing is awaited that nobody sends, nothing sent that nobody wants."""

from collections import defaultdict

from shared.contract.message import Command, Message
from shared.contract.registry import MESSAGES
from shared.contract.rejection import CommandRejected
from shared.contract.services import REDRIVABLE
from shared.contract.topics import TOPICS, events_topic
from tests.support.solo import Solo

REACTIONS = [reaction for service in REDRIVABLE for reaction in Solo(service).reactions]
EMITTERS: dict[type[Message], set[str]] = defaultdict(set)
HEARERS: dict[type[Message], set[str]] = defaultdict(set)
for _reaction in REACTIONS:
    HEARERS[_reaction.trigger].add(_reaction.service)
    for _event in _reaction.emits:
        EMITTERS[_event].add(_reaction.service)
PUBLISHED = [kind for kind in MESSAGES.values() if kind.topic.split(".")[0] in (*REDRIVABLE, "catalog")]

FOR_THE_WORLD = {
    "AlertAcknowledged", "AlertOpened", "AlertResolved", "CartChanged", "CartOpened", "CartReopened",
    "CheckoutAlreadyConfirmed", "CheckoutAlreadyStarted", "CheckoutChangeRejected", "CheckoutCompleted",
    "CheckoutDetailsSet", "CheckoutPreviewed", "CheckoutRejected",
    "CouponDefined", "DeadLetterParked", "DeadLetterRedriven", "DeadLetterResolved", "DeadLetterReturned",
    "PaymentMarkedPaid", "ReservationExpired", "ReservationReleased", "StockAdjusted", "StockCommitted", "StockReceived",
    "StockReserved", "StockReturned",
}  # fmt: skip
"""Facts for storefronts and staff, to which no service has anything to add."""


def test_every_event_somebody_awaits_is_emitted_by_somebody() -> None:
    outside = {kind for kind in PUBLISHED if issubclass(kind, Command) or kind.topic == "catalog.events"}
    awaited = {trigger for trigger in HEARERS if issubclass(trigger, Message)}
    assert awaited - EMITTERS.keys() - outside == set()


def test_every_event_that_is_emitted_is_heard_or_meant_for_the_world() -> None:
    unheard = {event.__name__ for event in EMITTERS if event not in HEARERS and event is not CommandRejected}
    assert unheard == FOR_THE_WORLD


def test_every_event_of_the_contract_is_emitted_by_the_one_who_writes_its_topic() -> None:
    events = [kind for kind in PUBLISHED if not issubclass(kind, Command) and kind.topic != "catalog.events"]
    assert {kind.__name__: EMITTERS[kind] for kind in events} == {kind.__name__: {TOPICS[kind.topic].writer} for kind in events}
    assert all(EMITTERS[kind] == {service} for service in REDRIVABLE for kind in events if kind.topic == events_topic(service))


def test_every_command_is_answered_by_the_one_who_reads_its_topic_and_by_nobody_else() -> None:
    commands = [kind for kind in PUBLISHED if issubclass(kind, Command)]
    assert {kind.__name__: HEARERS[kind] for kind in commands} == {
        kind.__name__: {TOPICS[kind.topic].reader} for kind in commands
    }


def test_whoever_can_refuse_a_command_says_so() -> None:
    """A command has an answer of its own in every case, or may be refused: at once, or by what the gateway answers to it."""
    for reaction in REACTIONS:
        if issubclass(reaction.trigger, Command):
            assert CommandRejected in reaction.emits or len(reaction.emits) == 1, reaction.name
        elif issubclass(reaction.trigger, Message):
            assert CommandRejected not in reaction.emits, reaction.name
