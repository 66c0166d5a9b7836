"""Whatever a record holds, reading it gives a message, a refusal of a command, or says that nobody can read it."""

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from shared.contract.alerts import ResolveDeadLetter
from shared.contract.cart import AddItem, CheckoutConfirmed, ConfirmCheckout, OpenCart, SetPaymentMethod, SetShippingAddress
from shared.contract.envelope import MAX_VALUE_BYTES, Record, RefusedError, UnreadableError, read
from shared.contract.inventory import ReceiveStock
from shared.contract.message import Command, Message
from shared.contract.order import CancelOrder, DefineCoupon, OrderConfirmed
from shared.contract.payment import MarkPaid
from shared.contract.products import ProductListed
from shared.contract.registry import MESSAGES
from shared.contract.rejection import CommandRejected
from tests.support.facts import a
from tests.unit.contract.records import binary, body, record, structured

ADD = a(AddItem, quantity=1)
KINDS = list(MESSAGES.values())
COMMANDS = [kind for kind in KINDS if issubclass(kind, Command)]
EVENTS = [kind for kind in KINDS if not issubclass(kind, Command)]


def reasons(spoilt: Record) -> set[tuple[str, str | None]]:
    """Code and subject of every reason for the refusal of a command."""
    with pytest.raises(RefusedError) as refused:
        read(spoilt)
    return {(reason.code, reason.subject) for reason in refused.value.reasons}


# --- unknown fields


@pytest.mark.parametrize("kind", COMMANDS)
def test_a_command_with_a_field_nobody_knows_is_refused(kind: type[Message]) -> None:
    command = a(kind)
    assert reasons(binary(command, body(command, colour="red"))) == {("extra_forbidden", "colour")}


@pytest.mark.parametrize("kind", EVENTS)
def test_an_event_with_a_field_of_a_newer_writer_is_read(kind: type[Message]) -> None:
    event = a(kind)
    assert read(binary(event, body(event, colour="red")))[1] == event


@pytest.mark.parametrize("command", [a(SetShippingAddress), a(SetPaymentMethod)])
def test_what_is_inside_a_command_is_as_strict(command: Message) -> None:
    name = "address" if isinstance(command, SetShippingAddress) else "method"
    inner = command.model_dump(mode="json")[name]
    assert reasons(binary(command, body(command, **{name: {**inner, "x": 1}}))) == {("extra_forbidden", f"{name}.x")}


def test_what_is_inside_an_event_is_as_tolerant() -> None:
    event = a(CheckoutConfirmed)
    dumped = event.model_dump(mode="json")
    for part in (dumped, dumped["quote"], *(dumped["quote"][name] for name in ("shipping_address", "payment_method"))):
        part["since_version_2"] = True
    assert read(binary(event, json.dumps(dumped).encode()))[1] == event


# --- values


def test_every_fault_is_named_at_once() -> None:
    spoilt = b'{"sku": "no spaces", "quantity": 0, "colour": 1}'
    assert reasons(binary(ADD, spoilt)) == {
        ("missing", "cart_id"),
        ("string_pattern_mismatch", "sku"),
        ("greater_than_equal", "quantity"),
        ("extra_forbidden", "colour"),
    }


@pytest.mark.parametrize(
    "number", ["NaN", "Infinity", "-Infinity", "1.0", "1e0", "1e400", '"1"', "true", "null", "[1]", f"{2**63}", f"{10**400}"]
)
def test_only_a_whole_number_within_bounds_is_a_number(number: str) -> None:
    spoilt = b'{"cart_id": "c", "sku": "s", "quantity": %b}' % number.encode()
    assert {subject for _, subject in reasons(binary(ADD, spoilt))} == {"quantity"}


@pytest.mark.parametrize("number", ["1" * 4301, "01", "1.", "+1", "0x1", "1_000"])
def test_what_is_no_number_of_json_cannot_be_read(number: str) -> None:
    with pytest.raises(UnreadableError, match="AddItem cannot be read"):
        read(binary(ADD, b'{"cart_id": "c", "sku": "s", "quantity": %b}' % number.encode()))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (r"a\u0000b", "character_not_allowed"),
        (r"a\nb", "character_not_allowed"),
        (r"a\u0085b", "character_not_allowed"),
        (r"\u202devil", "character_not_allowed"),
        (r"\u202eevil", "character_not_allowed"),
        ("", "string_too_short"),
    ],
)
def test_text_with_control_characters_or_overrides_is_refused(text: str, code: str) -> None:
    command = a(SetShippingAddress)
    spoilt = body(command).replace(b"Hauptstr. 1", text.encode())
    assert reasons(binary(command, spoilt)) == {(code, "address.street")}


@pytest.mark.parametrize("text", [rb"\ud800", rb"\udfff", b"\xff", b"\xed\xa0\x80", b"\xc0\x80", b"a\x00b", b"a\nb"])
@pytest.mark.parametrize("mode", [binary, structured])
def test_text_that_is_no_unicode_or_no_json_cannot_be_read(mode: Any, text: bytes) -> None:
    good: Record = mode(ADD)
    assert good.value is not None
    with pytest.raises(UnreadableError):
        read(record(good.topic, good.value.replace(b"cart1", text), good.headers))


@pytest.mark.parametrize(
    "spoilt", [b'{"cart_id": "c1", "cart_id": "c2", "sku": "s"}', b'{"cart_id":"c", "sku":"s", "sku":"s"}']
)
def test_a_command_that_says_a_thing_twice_is_refused(spoilt: bytes) -> None:
    ((code, subject),) = reasons(binary(ADD, spoilt))
    assert (code, subject) == ("duplicate_field", "cart_id" if b"c2" in spoilt else "sku")


@pytest.mark.parametrize(
    ("good", "twice", "subject"),
    [
        (a(AddItem, sku="s"), b'"sku": "s", "sku": "t"', "sku"),
        (a(AddItem, sku="s"), b'"sku": "s"}, "data": {"cart_id": "c", "sku": "t"', "data"),
        (DefineCoupon(code="C", kind="fixed_amount", amount_off={"EUR": 1}), b'"EUR": 1, "EUR": 2', "EUR"),
    ],
)
def test_a_command_that_says_a_thing_twice_is_refused_in_structured_mode_too(good: Command, twice: bytes, subject: str) -> None:
    value = structured(good).value
    assert value is not None
    once = b'"EUR": 1' if subject == "EUR" else b'"sku": "s"'
    assert once in value
    assert reasons(record(good.topic, value.replace(once, twice))) == {("duplicate_field", subject)}


def test_terms_that_do_not_fit_together_are_refused() -> None:
    command = DefineCoupon(code="C", kind="free_shipping")
    assert reasons(binary(command, body(command, percent_off=5))) == {("terms_of_coupon", None)}
    assert reasons(binary(a(SetPaymentMethod), body(a(SetPaymentMethod), method={"kind": "card"}))) == {
        ("token_and_kind", "method")
    }


@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59-01:00", "0001-01-01T00:00:00+01:00", "2026-01-01T00:00:00", "soon", 7])
def test_moments_have_a_zone_and_lie_in_years_there_are(moment: object) -> None:
    command = DefineCoupon(code="C", kind="free_shipping")
    assert {subject for _, subject in reasons(binary(command, body(command, valid_until=moment)))} == {"valid_until"}


# --- what nobody can read


@pytest.mark.parametrize(
    "value",
    [
        None, b"", b" ", b"\x00", b"\xff\xfe", b"open a cart", b"[]", b"{", b'{"type": 7}', b'"quadrille.AddItem.v1"', b"NaN",
        b"[" * 10_000 + b"]" * 10_000, b'{"a":' * 300 + b"1" + b"}" * 300, b"\xef\xbb\xbf{}", b"{}" + b" " * MAX_VALUE_BYTES,
    ],
    ids=lambda value: repr(value)[:16],
)  # fmt: skip
def test_no_message_in_any_mode(value: bytes | None) -> None:
    for headers in ([], [("content-type", b"application/cloudevents+json; charset=utf-8")]):
        with pytest.raises(UnreadableError):
            read(record("cart.commands", value, headers))


@pytest.mark.parametrize("value", [b"[" * 10_000, b'{"cart_id":' * 300 + b"1" + b"}" * 300, b"{", b"\xff"])
def test_a_named_type_does_not_make_a_body_readable(value: bytes) -> None:
    with pytest.raises(UnreadableError, match="AddItem cannot be read"):
        read(binary(ADD, value))


@pytest.mark.parametrize("value", [b"[]", b"null", b"7", b'"text"', b"{}"])
def test_json_that_is_no_body_of_a_command_is_refused(value: bytes) -> None:
    assert reasons(binary(ADD, value))


def test_an_event_that_breaks_the_contract_is_not_answered() -> None:
    event = a(CheckoutConfirmed)
    with pytest.raises(UnreadableError, match=r"CheckoutConfirmed cannot be read: revision: "):
        read(binary(event, body(event, revision="one")))


def test_a_flood_of_faults_is_cut_off() -> None:
    flood = json.dumps({f"f{n}": n for n in range(5_000)} | {"x" * 5_000: 1}).encode()
    with pytest.raises(RefusedError) as refused:
        read(binary(ADD, flood))
    assert len(refused.value.reasons) == 50
    assert all(len(reason.subject or "") <= 200 for reason in refused.value.reasons)


def test_commands_that_may_leave_things_out_are_read() -> None:
    assert read(structured(ConfirmCheckout(cart_id="c"), partitionkey=None))[1] == ConfirmCheckout(cart_id="c")
    assert read(binary(a(OpenCart)))[0].type == "quadrille.OpenCart.v1"


# --- who says it


@pytest.mark.parametrize("service", ["cart", "inventory", "order", "payment", "alerts"])
@pytest.mark.parametrize("kind", [CancelOrder, ConfirmCheckout, MarkPaid, ReceiveStock, ProductListed])
def test_nobody_speaks_for_a_service_where_services_do_not(kind: type[Message], service: str) -> None:
    """What the service says itself, under such an id, would count as handled."""
    with pytest.raises(UnreadableError, match=f"^/quadrille/{service} does not write {kind.topic}$"):
        read(structured(a(kind), source=f"/quadrille/{service}"))


@pytest.mark.parametrize("source", ["/tests", "/quadrille/cart", "/quadrille/orders", "/quadrille/order/"])
@pytest.mark.parametrize("kind", [OrderConfirmed, CommandRejected])
def test_an_events_topic_takes_its_own_service_alone(kind: type[Message], source: str) -> None:
    """Whoever may write the topic commits no stock in order's name."""
    topic = kind.topic or "order.events"
    forged = replace(structured(a(kind), source=source), topic=topic)
    said = f"order.events accepts events only from the source /quadrille/order, not from {source}"
    with pytest.raises(UnreadableError, match=f"^{re.escape(said)}$"):
        read(forged)
    assert read(replace(structured(a(kind), source="/quadrille/order"), topic=topic))[1] == a(kind)


def test_a_service_s_event_on_another_s_topic_is_not_read() -> None:
    with pytest.raises(UnreadableError, match=r"OrderConfirmed belongs on order\.events, not on cart\.events"):
        read(replace(structured(a(OrderConfirmed), source="/quadrille/order"), topic="cart.events"))


def test_the_catalogue_is_anybody_s_outside() -> None:
    assert read(structured(a(ProductListed), source="/shop/catalogue"))[1] == a(ProductListed)


@pytest.mark.parametrize("message", [a(ResolveDeadLetter), a(CheckoutConfirmed)])
def test_services_speak_where_they_do(message: Message) -> None:
    assert read(structured(message, source="/quadrille/cart"))[1] == message
