"""What stands around a body: attributes, keys, and the thread from one message to the next."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from uuid import RFC_4122, UUID

import pytest

from shared.contract.cart import AddItem, OpenCart
from shared.contract.envelope import MAX_ATTRIBUTE, Record, RefusedError, UnreadableError, message_id, read, refusal, write
from shared.contract.inventory import ReceiveStock
from shared.contract.payment import PaymentVoided
from shared.contract.products import ProductDelisted, ProductListed
from shared.contract.values import Reason
from tests.support.facts import CHECKOUT, a
from tests.unit.contract.records import Header, binary, body, envelope, record, structured

ADD = a(AddItem)
TYPE = ADD.type_name().encode()
ATTRIBUTES: dict[str, bytes] = {"ce_specversion": b"1.0", "ce_id": b"m1", "ce_source": b"/tests", "ce_type": TYPE}


def with_headers(**changes: bytes | None) -> list[Header]:
    """The headers of a command, with some changed or, where ``None``, left out."""
    return [(name, value) for name, value in {**ATTRIBUTES, **changes}.items() if value is not None]


# --- binary mode as it is written


def test_the_headers_are_those_of_cloudevents() -> None:
    at = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=timezone(timedelta(hours=2)))
    headers, value = write(envelope(a(PaymentVoided)), a(PaymentVoided), at)
    assert dict(headers) == {
        "ce_specversion": b"1.0",
        "ce_id": b"m1",
        "ce_source": b"/quadrille/payment",
        "ce_type": b"quadrille.PaymentVoided.v1",
        "ce_subject": CHECKOUT.encode(),
        "ce_time": b"2026-01-02T01:04:05.000006Z",
        "ce_partitionkey": b"cart1",
        "ce_correlationid": b"story",
        "ce_causationid": b"cause",
        "content-type": b"application/json",
        "traceparent": b"00-1-2-01",
    }
    assert value == b'{"cart_id":"cart1","checkout_id":"cart1.1","amount":2990,"currency":"EUR","marked_by":null,"why":null}'


def test_what_is_not_known_has_no_header() -> None:
    headers, _ = write(envelope(ADD, causation_id=None, traceparent=None), ADD, datetime.now(UTC))
    assert {"ce_causationid", "traceparent"}.isdisjoint(dict(headers))


def test_a_moment_is_told_by_its_time_in_utc_with_microseconds_always() -> None:
    headers, _ = write(envelope(ADD), ADD, datetime(2026, 1, 1, tzinfo=UTC))
    assert dict(headers)["ce_time"] == b"2026-01-01T00:00:00.000000Z"


# --- attributes


@pytest.mark.parametrize("name", ["ce_id", "ce_source"])
@pytest.mark.parametrize("value", [None, b"", b"i" * (MAX_ATTRIBUTE + 1), b"a\x00", b"a\nb", b"\xff", "\u202e".encode()])
def test_a_message_without_a_fit_id_or_source_cannot_be_read(name: str, value: bytes | None) -> None:
    with pytest.raises(UnreadableError, match=name.removeprefix("ce_")):
        read(record(ADD.topic, body(ADD), with_headers(**{name: value})))
    with pytest.raises(UnreadableError):
        read(structured(ADD, **{name.removeprefix("ce_"): 7}))


def test_an_id_may_be_as_long_as_allowed_and_of_any_letters() -> None:
    for name in ("i" * MAX_ATTRIBUTE, "Übung 7 / ☕"):
        assert read(record(ADD.topic, body(ADD), with_headers(ce_id=name.encode())))[0].id == name


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"ce_type": b"quadrille.Explode.v1"}, "unknown type 'quadrille.Explode.v1'"),
        ({"ce_type": b"quadrille.AddItem.v2"}, "unknown type 'quadrille.AddItem.v2'"),
        ({"ce_type": b"AddItem"}, "unknown type 'AddItem'"),
        ({"ce_type": b"\xff"}, "the header ce_type is not UTF-8"),
        ({"ce_type": b""}, "the attribute type is missing"),
        ({"ce_type": b"quadrille.ReceiveStock.v1"}, "ReceiveStock belongs on inventory.commands, not on cart.commands"),
        ({"ce_specversion": b"0.3"}, "version '0.3' is not supported"),
        ({"traceparent": b"\xff"}, "the header traceparent is not UTF-8"),
    ],
)
def test_what_is_no_message_of_this_contract_cannot_be_read(changes: dict[str, bytes], why: str) -> None:
    with pytest.raises(UnreadableError, match=why):
        read(record(ADD.topic, body(ADD), with_headers(**changes)))


def test_a_topic_of_another_deployment_is_no_reason_to_refuse() -> None:
    assert read(record("elsewhere", body(ADD), with_headers()))[1] == ADD


def test_the_first_of_equal_headers_counts() -> None:
    assert read(binary(ADD, more=[("ce_id", b"first"), ("ce_id", b"second")]))[0].id == "first"


def test_a_header_without_a_value_says_nothing() -> None:
    assert read(binary(ADD, more=[("ce_id", None), ("ce_causationid", None)]))[0].id == "m1"


def test_headers_of_others_are_left_alone() -> None:
    strange: list[Header] = [("x-their-own", b"\xff\x00"), ("CE_ID", b"no"), ("id", b"no"), ("", b"")]
    assert read(binary(ADD, more=strange)) == read(binary(ADD))


def test_one_line_of_json_without_any_header_is_a_command() -> None:
    read_, command = read(structured(ADD, correlationid=None, causationid=None, traceparent=None, partitionkey=None))
    assert command == ADD
    assert (read_.id, read_.correlation_id, read_.causation_id, read_.traceparent) == ("m1", "m1", None, None)


def test_the_trace_of_a_structured_message_may_be_in_the_headers() -> None:
    bare = structured(ADD, traceparent=None)
    traced = record(bare.topic, bare.value, [("traceparent", b"00-a-b-01")])
    assert read(traced)[0].traceparent == "00-a-b-01"
    assert read(record(bare.topic, structured(ADD).value, [("traceparent", b"00-a-b-01")]))[0].traceparent == "00-1-2-01"


def test_the_content_type_decides_even_where_the_headers_name_a_type() -> None:
    headers = with_headers(**{"content-type": b"application/cloudevents+json; charset=UTF-8"})
    assert read(record(ADD.topic, structured(ADD, id="inner").value, headers))[0].id == "inner"


# --- the thread


@pytest.mark.parametrize("spoilt", ["", "i" * (MAX_ATTRIBUTE + 1), "a\nb"])
def test_what_is_not_fit_to_be_passed_on_is_let_go_and_the_message_read(spoilt: str) -> None:
    names = {"ce_correlationid": spoilt.encode(), "ce_causationid": spoilt.encode(), "traceparent": spoilt.encode()}
    found, command = read(record(ADD.topic, body(ADD), with_headers(**names)))
    assert command == ADD
    assert (found.correlation_id, found.causation_id, found.traceparent) == ("m1", None, None)


def test_ids_are_the_same_for_the_same_cause_and_differ_for_every_other() -> None:
    assert message_id("order", "/quadrille/cart\nm1", 0) == "9a460a62-6516-8aa6-bb01-b4846eb1b59e"
    some = [message_id(s, c, i) for s in ("order", "cart") for c in ("/a\nm1", "/a\nm2", "/b\nm1") for i in (0, 1, 11)]
    assert len(set(some)) == len(some) == 18
    assert {(UUID(i).variant, UUID(i).version) for i in some} == {(RFC_4122, 8)}


# --- keys


@pytest.mark.parametrize("key", [None, b"", b"another", b"cart1"])
@pytest.mark.parametrize("mode", [binary, structured])
def test_the_key_in_the_body_is_what_a_message_goes_by(mode: object, key: bytes | None) -> None:
    made = binary(ADD) if mode is binary else structured(ADD)
    found, command = read(record(made.topic, made.value, made.headers, key))
    assert (found.key, command.key) == ("cart1", "cart1")
    assert refusal(found, Reason(code="no", message="no")).key == "cart1"


@pytest.mark.parametrize(
    ("key", "partitionkey", "expected"),
    [(b"cart9", None, "cart9"), (None, b"cart8", "cart8"), (b"cart9", b"cart8", "cart9"), (None, None, "")],
)
def test_a_refused_body_leaves_the_key_of_the_record(key: bytes | None, partitionkey: bytes | None, expected: str) -> None:
    headers = with_headers(ce_type=OpenCart.type_name().encode(), ce_partitionkey=partitionkey)
    with pytest.raises(RefusedError) as refused:
        read(record("cart.commands", b"{}", headers, key))
    assert refused.value.envelope.key == expected
    assert refusal(refused.value.envelope, *refused.value.reasons).key == (expected or "unknown")


@pytest.mark.parametrize("key", [b"\xff", b"a\x00", b"k" * (MAX_ATTRIBUTE + 1)])
def test_a_key_that_is_no_text_cannot_be_read(key: bytes) -> None:
    with pytest.raises(UnreadableError, match="the key"):
        read(record(ADD.topic, body(ADD), with_headers(), key))


def test_messages_are_about_a_checkout_or_else_their_key() -> None:
    assert (a(PaymentVoided).subject, ADD.subject, a(ReceiveStock).subject) == (CHECKOUT, "cart1", "tea")


# --- the catalogue, whose topic is compacted


def test_a_record_without_a_value_delists_the_product_its_key_names() -> None:
    gone = Record("catalog.events", 3, 7, b"tea", None, [], 1_000)
    found, message = read(gone)
    assert message == ProductDelisted(sku="tea")
    assert (found.key, found.offset) == ("tea", 7)
    assert found.id != read(replace(gone, timestamp=2_000))[0].id, "a topic made anew is another"
    assert read(replace(gone, headers=[("ce_type", b"quadrille.ProductListed.v1")]))[1] == message


@pytest.mark.parametrize("key", [None, b"", b'"tea"', b"\xff", b"k" * 65])
def test_one_whose_key_is_no_sku_is_told(key: bytes | None) -> None:
    with pytest.raises(UnreadableError, match="key"):
        read(Record("catalog.events", 3, 7, key, None, [], 0))


def test_elsewhere_a_record_without_a_value_says_nothing() -> None:
    for topic, value in (("cart.commands", None), ("cart.events", None), ("catalog.events", b"")):
        with pytest.raises(UnreadableError, match="the record has no value"):
            read(Record(topic, 3, 7, b"tea", value, [], 0))


def test_a_product_must_have_its_sku_as_key() -> None:
    listed = binary(a(ProductListed))
    with pytest.raises(UnreadableError, match="the record's key must be tea, as in the value"):
        read(replace(listed, key=b'"tea"'))
    assert read(replace(listed, key=None))[1] == a(ProductListed)
