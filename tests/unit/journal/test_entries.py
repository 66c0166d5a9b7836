"""A record as an entry: what is kept of it, when it happened, and that nothing in it does harm."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.journal.entries import entry
from services.journal.formatting import format_entry, title
from services.journal.model import Form
from services.journal.timeline import forest
from shared.contract.cart import AddItem, CheckoutConfirmed, OpenCart, PreviewRequested, SetPaymentMethod, SetShippingAddress
from shared.contract.dead_letter import failure_headers
from shared.contract.envelope import Envelope, Record, write
from shared.contract.message import Command, Message
from shared.contract.order import OrderCreated, TotalsCalculated
from shared.contract.payment import PaymentDeclined, VoidFailed
from shared.contract.redrive import wrap
from shared.contract.registry import MESSAGES
from shared.contract.rejection import CommandRejected
from shared.contract.text import is_plain
from shared.contract.topics import DEAD_LETTERS, EVENT_SOURCES, TOPICS
from shared.contract.values import Address, Item, PaymentMethod, Quote, QuoteLine, Reason, Totals, TotalsLine
from tests.support.clock import NOW

ADDRESS = Address(name="Ada Example", street="Hauptstr. 1", city="Berlin", postal_code="10115", country="DE")
METHOD = PaymentMethod(kind="card", token="tok_secret")
QUOTE = Quote(
    currency="EUR",
    customer_id="customer-7",
    lines=(QuoteLine(sku="tea", name="Green tea", quantity=2, unit_price=500, tax_category="standard", weight_grams=1),),
    shipping_address=ADDRESS,
    shipping_method="standard",
    payment_method=METHOD,
)
TOTALS = Totals(
    currency="EUR",
    lines=(TotalsLine(sku="tea", quantity=2, unit_price=500, subtotal=1000, discount=0, tax=160, total=1000),),
    subtotal=1000, discount=0, shipping=490, tax=238, tax_included=True, total=1490,
)  # fmt: skip
AT = {"cart_id": "c1", "checkout_id": "c1.1"}
PERSONAL = ("Ada", "Hauptstr", "Berlin", "10115", "tok_secret", "customer-7", "Green tea")
TELLING: list[Message] = [
    OpenCart(cart_id="c1", currency="EUR", customer_id="customer-7"),
    SetShippingAddress(cart_id="c1", address=ADDRESS),
    SetPaymentMethod(cart_id="c1", method=METHOD),
    PreviewRequested(**AT, command_id="m", quote=QUOTE),
    CheckoutConfirmed(**AT, command_id="m", revision=0, quote=QUOTE, expected_total=1490),
    TotalsCalculated(**AT, customer_id="customer-7", totals=TOTALS, payment_method=METHOD),
    OrderCreated(
        **AT, order_number="Q-1", customer_id="customer-7", items=(Item(sku="tea", quantity=2),), totals=TOTALS,
        payment="authorized",
    ),
]  # fmt: skip


def record(
    message: Message, at: datetime = NOW, timestamp: datetime = NOW, topic: str = "", more: Sequence[tuple[str, bytes]] = ()
) -> Record:
    """A message as its writer's relay would publish it."""
    source = "/shop" if isinstance(message, Command) else EVENT_SOURCES.get(message.topic, "/quadrille/cart")
    headers, value = write(Envelope("m1", source, message.type_name(), message.key, "c", "m0"), message, at)
    ms = int(timestamp.timestamp() * 1000)
    return Record(topic or message.topic or "cart.events", 2, 7, message.key.encode(), value, [*headers, *more], ms)


def test_an_entry_has_the_attributes_of_its_message() -> None:
    found = entry(record(TELLING[4], NOW - timedelta(seconds=1)), NOW)
    assert found.place == ("cart.events", 2, 7)
    assert (found.form, found.kind, found.key, found.checkout_id) == (Form.MESSAGE, "CheckoutConfirmed", "c1", "c1.1")
    assert (found.message_id, found.source, found.service, found.cause) == ("m1", "/quadrille/cart", "cart", "m0")
    assert (found.at, found.recorded_at) == (NOW - timedelta(seconds=1), NOW)


@pytest.mark.parametrize("message", TELLING, ids=lambda message: type(message).__name__)
def test_personal_data_is_redacted(message: Message) -> None:
    assert any(word in message.model_dump_json() for word in PERSONAL)
    kept = json.dumps(entry(record(message), NOW).facts)
    assert not [word for word in PERSONAL if word in kept]


def test_redacted_facts_still_describe_the_message() -> None:
    texts = {type(message).__name__: format_entry(entry(record(message), NOW)) for message in TELLING}
    assert texts["SetShippingAddress"] == "to DE"
    assert texts["SetPaymentMethod"] == "card"
    assert texts["CheckoutConfirmed"] == "2 × tea at 5.00 EUR; card; standard to DE; expecting 14.90 EUR"
    assert texts["TotalsCalculated"] == "14.90 EUR (goods 10.00 EUR, shipping 4.90 EUR, tax 2.38 EUR included) by card"
    assert texts["OrderCreated"] == "Q-1, 2 × tea, 14.90 EUR"


def test_an_unknown_type_shows_its_plain_fields() -> None:
    found = entry(record(CommandRejected(command_key="c1", command_id="x", command_type="t", reasons=())), NOW)
    assert found.kind == "CommandRejected"
    assert format_entry(replace(found, kind="Unheard")) == "command_id x, command_type t"


def test_control_characters_are_replaced() -> None:
    declined = PaymentDeclined(**AT, amount=1, currency="EUR", code="c", reason="red \x1b[31m and\nanother line")
    assert format_entry(entry(record(declined), NOW)) == "0.01 EUR: red �[31m and�another line (c)"


@pytest.mark.parametrize(
    ("claimed", "believed"),
    [
        (timedelta(), timedelta()),
        (timedelta(minutes=4), timedelta(minutes=4)),
        (timedelta(minutes=6), timedelta()),
        (-timedelta(days=29), -timedelta(days=29)),
        (-timedelta(days=31), timedelta()),
        (timedelta(days=3650), timedelta()),
    ],
)
def test_a_claimed_time_counts_if_it_is_plausible(claimed: timedelta, believed: timedelta) -> None:
    assert entry(record(TELLING[0], NOW + claimed), NOW).at == NOW + believed


@pytest.mark.parametrize("timestamp", [-1, 2**62, 253_402_300_800_000])
def test_an_impossible_timestamp_is_at_most_now(timestamp: int) -> None:
    odd = record(TELLING[0])
    found = entry(Record(odd.topic, 2, 7, odd.key, odd.value, odd.headers, timestamp), NOW)
    assert found.recorded_at <= NOW


def test_a_command_in_structured_mode_is_a_message() -> None:
    line = {"specversion": "1.0", "id": "x", "source": "/shop", "type": "quadrille.AddItem.v1"}
    value = json.dumps({**line, "data": {"cart_id": "c9", "sku": "tea"}}).encode()
    found = entry(Record("cart.commands", 0, 1, b"c9", value, [], 0), NOW)
    assert (found.kind, found.key, found.service, format_entry(found)) == ("AddItem", "c9", "/shop", "1 × tea")


def test_a_refused_command_keeps_the_reason_and_no_content() -> None:
    bad = record(AddItem(cart_id="c1", sku="tea"))
    found = entry(Record(bad.topic, 0, 1, bad.key, b'{"cart_id": "c1", "sku": "tea", "name": "Ada"}', bad.headers, 0), NOW)
    assert (found.form, found.kind, found.message_id) == (Form.REFUSED, "AddItem", "m1")
    assert format_entry(found) == "name: unknown field; remove it"
    assert "Ada" not in json.dumps(found.facts)


def test_an_unreadable_record_is_an_entry() -> None:
    found = entry(Record("cart.commands", 0, 1, b"c1", b"\xff{", [], 0), NOW)
    assert (found.form, found.key, found.kind, found.message_id) == (Form.UNREADABLE, "c1", None, None)
    assert title(found) == "unreadable record"
    assert format_entry(found).startswith("no CloudEvents type in the headers")


def test_a_dead_letter_says_who_failed_where_and_why() -> None:
    why = failure_headers("order", "create_order", "shop.payment.events", 2, 7, "KeyError", "no\x00totals", NOW)
    found = entry(record(TELLING[5], topic=DEAD_LETTERS, more=why), NOW)
    assert (found.form, found.key, found.checkout_id, found.message_id) == (Form.DEAD_LETTER, "c1", "c1.1", "m1")
    assert found.service == "order"
    assert format_entry(found) == "order could not handle it (create_order): no�totals [shop.payment.events/2/7]"


def test_card_numbers_in_errors_are_redacted() -> None:
    why = [("__connect.errors.exception.message", b"no token 4111 1111 1111 1111")]
    assert "no token [card number]" in format_entry(entry(record(TELLING[5], topic=DEAD_LETTERS, more=why), NOW))


def test_a_failed_compensation_needs_a_person() -> None:
    failed = VoidFailed(
        **AT,
        amount=1490,
        currency="EUR",
        gateway_reference="c1.1",
        authorization_id="h",
        attempts=8,
        code="refused",
        reason="no",
    )
    why = failure_headers("payment", "compensation", "payment.events", 2, -1, "VoidFailed", "no", NOW)
    assert format_entry(entry(record(failed, topic=DEAD_LETTERS, more=why), NOW)) == "needs a person: no"
    assert format_entry(entry(record(failed), NOW)) == "14.90 EUR, authorization h; failed after 8 attempts: no (refused)"


def test_a_message_on_a_redrive_topic_is_a_copy() -> None:
    found = entry(record(TELLING[4], topic="order.redrive"), NOW)
    assert (found.form, found.message_id, title(found)) == (Form.COPY, "m1", "CheckoutConfirmed again")
    assert format_entry(found) == "republished on order.redrive"


def test_a_redrive_is_below_its_record() -> None:
    first = entry(Record("cart.commands", 2, 7, b"c1", b"\xff", [], 1000), NOW)
    headers = wrap([], dead_letter_id="0123456789abcdef", command_id="m9", place=first.place)
    again = entry(Record("cart.redrive", 2, 1, b"c1", b"\xff", headers, 2000), NOW)
    assert (again.form, title(again), again.key) == (Form.COPY, "unreadable record again", "c1")
    (root,) = forest([again, first])
    assert (root.entry, [child.entry for child in root.children]) == (first, [again])


def test_a_message_on_the_topic_of_another_service_is_unreadable() -> None:
    assert entry(record(TELLING[4], topic="order.events"), NOW).form is Form.UNREADABLE


NAMES = ("ce_id", "ce_source", "ce_time", "ce_causationid", "x")


@given(
    topic=st.sampled_from([*TOPICS, "another.topic"]),
    key=st.none() | st.binary(max_size=300),
    value=st.none() | st.binary(max_size=200) | st.sampled_from([b"{}", b"[]", b'{"cart_id": "c1"}']),
    kind=st.sampled_from([*(name.encode() for name in MESSAGES), b"\xff", b"x"]),
    headers=st.lists(
        st.tuples(st.sampled_from(["ce_id", "ce_source", "ce_time", "ce_causationid", "x"]), st.binary(max_size=99))
    ),
    timestamp=st.integers(-(2**63), 2**63 - 1),
)
def test_no_record_raises(
    topic: str, key: bytes, value: bytes, kind: bytes, headers: list[tuple[str, bytes]], timestamp: int
) -> None:
    found = entry(Record(topic, 0, 0, key, value, [("ce_type", kind), *headers], timestamp), datetime.now(UTC))
    texts = (found.key, found.source, found.kind, found.message_id, found.checkout_id, found.cause)
    assert all(text is None or is_plain(text) for text in texts)
    assert "\x00" not in json.dumps(found.facts)
    assert is_plain(format_entry(found))


def test_reasons_are_joined() -> None:
    reasons = (Reason(code="a", message="one"), Reason(code="b", message="two"))
    refused = CommandRejected(command_key="c1", command_id="x", command_type="t", reasons=reasons)
    assert format_entry(entry(record(refused), NOW)) == "one; two"
