"""What a record is to a service: work, something to reject, a dead letter, or nothing of its business."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from services.alerts.reactions import reactions as alerts
from services.cart.reactions import reactions as cart
from services.inventory.reactions import reactions as inventory
from services.order.reactions import reactions as order
from services.payment.reactions import reactions as payment
from shared.contract.cart import AddItem, CartOpened, CheckoutConfirmed
from shared.contract.dead_letter import failure_headers, without_failure
from shared.contract.envelope import Record, RefusedError, UnreadableError
from shared.contract.message import Message
from shared.contract.order import OrderCreated
from shared.contract.payment import PaymentCaptured
from shared.contract.rejection import CommandRejected
from shared.contract.topics import TOPICS, Topic
from shared.runtime.database import Seen
from shared.runtime.inputs import DeadLetter, Deliver, Reader, Reject, RetryTimer, WorkItem, identity
from shared.runtime.reactions import TimerFired
from tests.support.facts import a
from tests.unit.contract.records import binary, body, record, structured

CONFIRMED = a(CheckoutConfirmed)
GARBAGE = record("cart.commands", b"\xff")
ALL = {reactions.service: reactions for reactions in (cart, inventory, order, payment, alerts)}
PLACE = ("shop.cart.commands", 3, 7)


# --- reading


@pytest.mark.parametrize("mode", [binary, structured])
def test_a_message_with_a_reaction_is_work(mode: object) -> None:
    made = binary(CONFIRMED) if mode is binary else structured(CONFIRMED)
    handle = Reader(order).read(made)
    assert isinstance(handle, Deliver)
    assert (handle.partition, handle.reaction.name, handle.trigger, handle.record) == (
        3,
        "total_on_confirmed_checkout",
        CONFIRMED,
        made,
    )
    assert handle.envelope is not None
    assert handle.envelope.id == "m1"


@pytest.mark.parametrize("event", [a(CartOpened), a(PaymentCaptured), a(CommandRejected)])
def test_what_is_for_others_is_not_even_parsed(event: Message) -> None:
    assert Reader(inventory).read(binary(event)) is None
    assert Reader(inventory).read(structured(event)) is None
    assert Reader(inventory).read(binary(event, b"\xff garbage")) is None


def test_events_of_a_newer_service_nobody_here_knows_are_let_pass() -> None:
    headers = [("ce_type", b"quadrille.GiftWrapped.v1"), ("ce_id", b"1"), ("ce_source", b"/s")]
    assert Reader(order).read(record("cart.events", b"{}", headers)) is None


def test_a_command_that_breaks_the_contract_is_refused_by_the_one_it_is_for() -> None:
    command = a(AddItem)
    spoilt = binary(command, body(command, quantity=-1))
    reject = Reader(cart).read(spoilt)
    assert isinstance(reject, Reject)
    assert (reject.partition, reject.record, reject.error.command) == (3, spoilt, AddItem)
    assert Reader(order).read(spoilt) is None


@pytest.mark.parametrize(
    "unfit",
    [
        GARBAGE,
        record("cart.commands", None),
        record("cart.commands", b"{}", [("ce_type", b"quadrille.Explode.v1"), ("ce_id", b"1"), ("ce_source", b"/s")]),
        record("cart.commands", b"{}", [("ce_type", b"\xff")]),
        record("cart.commands", body(a(OrderCreated)), binary(a(OrderCreated)).headers),
    ],
    ids=["garbage", "null", "unknown type", "no text", "of another topic"],
)
def test_what_stands_on_a_services_own_topic_and_cannot_be_read_is_its_dead_letter(unfit: Record) -> None:
    dead = Reader(cart).read(unfit)
    assert isinstance(dead, DeadLetter)
    assert (dead.partition, dead.record, dead.stage) == (3, unfit, "read")
    assert isinstance(dead.error, UnreadableError)


def test_a_message_a_service_has_no_use_for_on_its_own_topic_is_not_lost() -> None:
    stray = binary(a(CommandRejected), source="/tests")
    dead = Reader(cart).read(record("cart.commands", stray.value, stray.headers))
    assert isinstance(dead, DeadLetter)
    assert str(dead.error) == "cart has no use for it"


def test_an_event_that_is_awaited_and_cannot_be_read_is_the_dead_letter_of_whoever_awaits_it() -> None:
    spoilt = binary(CONFIRMED, b"{}")
    assert [type(Reader(one).read(spoilt)) for one in (order, inventory, cart)] == [DeadLetter, DeadLetter, type(None)]


@pytest.mark.parametrize("topic", [topic for topic in TOPICS.values() if topic.reporter])
@pytest.mark.parametrize("value", [b"\xff", b"{}", None, b'{"type": "quadrille.PaymentCaptured.v1"}'])
def test_of_those_who_read_a_topic_one_reports_what_nobody_can_tell(topic: Topic, value: bytes | None) -> None:
    readers = {
        name: reactions for name, reactions in ALL.items() if topic.name in {kind.topic for kind in reactions.messages.values()}
    }
    assert topic.reporter in readers
    assert len(readers) > 1
    reporting = [name for name, reactions in readers.items() if Reader(reactions).read(record(topic.name, value))]
    assert reporting == [topic.reporter]


# --- what an item is known by


def _name(item: WorkItem) -> tuple[str, str]:
    seen = identity(item)
    assert seen is not None
    return seen.name


def test_a_message_is_known_by_its_source_and_id_also_when_it_is_refused() -> None:
    assert _name(_item(cart, binary(a(AddItem)))) == ("/tests", "m1")
    assert _name(_item(cart, binary(a(AddItem), b"{}"))) == ("/tests", "m1")


def test_a_dead_letter_is_known_by_its_place_so_that_a_redrive_is_new() -> None:
    assert identity(_item(cart, GARBAGE)) == Seen("cart.commands/3", "7/0")
    dead = DeadLetter(3, binary(a(AddItem)), ValueError("a bug"), "add_item")
    assert identity(dead) == Seen("cart.commands/3", "7/0")


def test_timers_and_results_from_outside_are_never_known_before() -> None:
    (expire,) = cart.timers.values()
    assert identity(Deliver(3, expire, TimerFired("cart1"))) is None
    assert identity(RetryTimer(3, expire, TimerFired("cart1"), ValueError("a bug"))) is None


def _item(reactions: object, made: Record) -> Deliver | Reject | DeadLetter | RetryTimer:
    item = Reader(cart if reactions is cart else order).read(made)
    assert item is not None
    return item


# --- why a record is a dead letter


def failed(
    error: str = "ValueError", message: str = "a bug", at: datetime = datetime(2026, 1, 1, tzinfo=UTC)
) -> dict[str, bytes]:
    return dict(failure_headers("cart", "add_item", *PLACE, error, message, at))


def test_a_failure_is_told_under_the_names_other_tools_know() -> None:
    at = datetime(2026, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))
    assert failed(at=at) == {
        "__connect.errors.topic": b"shop.cart.commands",
        "__connect.errors.partition": b"3",
        "__connect.errors.offset": b"7",
        "__connect.errors.exception.class.name": b"ValueError",
        "__connect.errors.exception.message": b"a bug",
        "__connect.errors.stage": b"add_item",
        "__connect.errors.quadrille.service": b"cart",
        "__connect.errors.quadrille.attempts": b"1",
        "__connect.errors.quadrille.failed_at": b"2026-01-01T00:00:00+00:00",
    }


def test_a_message_of_any_length_and_of_no_text_at_all_fits_into_a_header() -> None:
    assert len(failed(message="x" * 10**6)["__connect.errors.exception.message"]) == 1000
    assert failed(message="\ud800\x00")["__connect.errors.exception.message"] == b"\\ud800\x00"


def test_headers_do_not_grow_with_failures_and_stay_as_they_came() -> None:
    original = [("ce_id", b"\xff\x00"), ("x", None), ("ce_id", b"again"), ("", b"")]
    once = [*original, *failure_headers("cart", "read", *PLACE, "E", "m", datetime.now(UTC))]
    again = [*without_failure(once), *failure_headers("cart", "read", *PLACE, "E", "m", datetime.now(UTC))]
    assert without_failure(again) == original
    assert len(again) == len(once)


def test_a_refusal_reads_as_a_sentence() -> None:
    reject = Reader(cart).read(binary(a(AddItem), b'{"cart_id": "c", "sku": "s", "quantity": 0}'))
    assert isinstance(reject, Reject)
    assert isinstance(reject.error, RefusedError)
    assert str(reject.error) == "quantity: must be at least 1"


def test_a_card_number_that_an_exception_quotes_is_not_kept() -> None:
    said = failed(message=f"{'x' * 990} KeyError: '4111111111111111'")["__connect.errors.exception.message"]
    assert b"4111" not in said
