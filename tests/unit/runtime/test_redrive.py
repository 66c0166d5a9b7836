"""A redrive is read as the record it is of, and nothing of it stays behind when it fails again."""

from dataclasses import replace

import pytest

from services.cart.reactions import reactions
from shared.contract.cart import OpenCart
from shared.contract.envelope import Envelope, Headers, Record, write
from shared.contract.redrive import PREFIX, unwrap, wrap
from shared.contract.services import REDRIVABLE
from shared.contract.topics import TOPICS, redrive_topic
from shared.runtime.inputs import DeadLetter, Deliver, Reader, Reject, identity
from tests.support.clock import NOW

LETTER = "0123456789abcdef"
PLACE = ("cart.commands", 3, 17)
READER = Reader(reactions)


def redriven(headers: Headers, value: bytes | None, *, traceparent: str | None = None, offset: int = 5) -> Record:
    """A record as it lies on the redrive topic of cart."""
    wrapped = wrap(headers, dead_letter_id=LETTER, command_id="command-1", place=PLACE, traceparent=traceparent)
    return Record(redrive_topic("cart"), 3, offset, b"key", value, wrapped, 1_000)


def command() -> tuple[list[tuple[str, bytes]], bytes]:
    """A good command."""
    return write(Envelope("m1", "/tests", OpenCart.type_name(), "c1", "m1"), OPEN, NOW)


OPEN = OpenCart(cart_id="c1", currency="EUR", customer_id="k1")


def test_it_is_a_record_of_its_original_topic_with_its_headers_as_they_were() -> None:
    headers: Headers = [("a", b"\x00\xff"), ("b", None), ("a", b"again"), ("", b"")]
    record = unwrap(redriven(headers, b"value"))
    assert (record.topic, record.partition, record.offset) == PLACE
    assert record.headers == headers
    assert record.redriven is not None
    assert (record.redriven.dead_letter_id, record.redriven.command_id) == (LETTER, "command-1")


def test_headers_do_not_grow_however_often_it_is_redriven() -> None:
    headers: Headers = [("a", b"1"), ("traceparent", b"stale"), ("traceparent", b"stale too")]
    sizes = []
    for _ in range(5):
        record = redriven(headers, b"value", traceparent="fresh")
        sizes.append(len(record.headers))
        headers = unwrap(record).headers
        assert [value for name, value in headers if name == "traceparent"] == [b"fresh"]
    assert len(set(sizes)) == 1


def test_a_stale_trace_goes_even_where_there_is_no_fresh_one() -> None:
    assert unwrap(redriven([("traceparent", b"stale"), ("tracestate", b"stale")], b"")).headers == []


def test_forged_marks_of_a_redrive_do_not_survive_one() -> None:
    record = unwrap(redriven([(f"{PREFIX}topic", b"payment.commands")], b"value"))
    assert record.topic == "cart.commands"
    assert record.headers == []


def test_on_any_other_topic_the_marks_mean_nothing() -> None:
    record = replace(redriven([], b"value"), topic="cart.commands")
    assert unwrap(record) is record


@pytest.mark.parametrize(
    "broken",
    [
        {"dead_letter": None},
        {"dead_letter": b"\xff"},
        {"dead_letter": b"too short"},
        {"command": b""},
        {"command": b"\x00"},
        {"command": b"c" * 201},
        {"topic": b"\xff"},
        {"partition": b"three"},
        {"offset": None},
    ],
)
def test_a_record_on_the_redrive_topic_that_does_not_say_what_it_is_of_is_unreadable(broken: dict[str, bytes | None]) -> None:
    record = redriven(*command())
    marks = dict(record.headers) | {PREFIX + name: value for name, value in broken.items()}
    item = READER.read(replace(record, headers=list(marks.items())))
    assert isinstance(item, DeadLetter)
    assert item.record.topic == redrive_topic("cart")


def test_a_command_is_handled_and_known_to_be_a_redrive() -> None:
    item = READER.read(redriven(*command()))
    assert isinstance(item, Deliver)
    assert item.trigger == OPEN
    assert item.envelope is not None
    assert (item.envelope.redriven, item.envelope.offset) == (True, 17)
    seen = identity(item)
    assert seen is not None
    assert seen.name == ("/tests", "m1"), "the inbox holds"
    assert item.envelope.older_than(18)
    assert not item.envelope.older_than(17)


def test_a_command_that_is_refused_is_refused_and_known_to_be_a_redrive() -> None:
    headers, _ = command()
    item = READER.read(redriven(headers, b"{}"))
    assert isinstance(item, Reject)
    assert item.record.redriven is not None


def test_what_nobody_wants_is_answered_for_all_the_same() -> None:
    headers = [(name, b"quadrille.TotalsCalculated.v1" if name == "ce_type" else value) for name, value in command()[0]]
    item = READER.read(redriven(headers, b"{}"))
    assert isinstance(item, DeadLetter)


def test_each_return_is_a_dead_letter_of_its_own_by_the_place_of_the_redrive() -> None:
    first, second = (READER.read(redriven([], b"garbage", offset=offset)) for offset in (5, 6))
    original = READER.read(Record(*PLACE, b"key", b"garbage", [], 1_000))
    assert isinstance(first, DeadLetter)
    assert isinstance(second, DeadLetter)
    assert isinstance(original, DeadLetter)
    assert len({identity(first), identity(second), identity(original)}) == 3
    assert (first.record.topic, first.record.offset) == ("cart.commands", 17)


def test_the_trace_of_a_redrive_counts_before_the_one_in_the_value() -> None:
    value = (
        b'{"specversion": "1.0", "id": "m1", "source": "/t", "type": "quadrille.OpenCart.v1", "traceparent": "stale",'
        b' "data": {"cart_id": "c1", "currency": "EUR", "customer_id": "k"}}'
    )
    item = READER.read(redriven([], value, traceparent="fresh"))
    assert isinstance(item, Deliver)
    assert item.envelope is not None
    assert item.envelope.traceparent == "fresh"


@pytest.mark.parametrize("service", REDRIVABLE)
def test_the_topic_of_a_service_s_redrives_holds_whatever_a_dead_letter_may_hold(service: str) -> None:
    topic, dead = TOPICS[redrive_topic(service)], TOPICS["checkout.dlq"]
    assert topic.max_bytes >= dead.max_bytes
    assert (topic.reader, topic.writer) == (service, "alerts")
