"""What CloudEvents allows is read, whoever wrote it; what it does not is refused with what to change."""

import base64
import gzip
import json
import lzma
import zlib
from typing import Any

import pytest

from shared.contract.cart import AddItem, CheckoutConfirmed
from shared.contract.envelope import Record, RefusedError, UnreadableError, read
from shared.contract.faults import _PATTERNS
from shared.contract.registry import MESSAGES
from tests.support.facts import a
from tests.unit.contract.records import binary, body, record, structured

ADD = a(AddItem)
DATA = body(ADD)


def why(value: bytes, headers: Any = ()) -> str:
    """Why nobody can read a record with this value."""
    with pytest.raises(UnreadableError) as error:
        read(record(ADD.topic, value, headers))
    return str(error.value)


def event(**changes: Any) -> bytes:
    """A command in structured mode."""
    value = structured(ADD, **changes).value
    assert value is not None
    return value


def outcome(given: Record) -> str:
    """Why a record is refused or cannot be read; nothing where it is read."""
    try:
        read(given)
    except (RefusedError, UnreadableError) as error:
        return str(error)
    return ""


# --- what CloudEvents allows


@pytest.mark.parametrize(
    "changes",
    [
        {"data": None, "data_base64": base64.b64encode(DATA).decode()},
        {"datacontenttype": "application/json; charset=utf-8"},
        {"datacontenttype": 'Application/JSON;Charset="UTF-8"'},
        {"datacontenttype": "application/vnd.shop+json"},
        {"subject": "cart1", "dataschema": "https://shop.example/add-item.json", "tenant": 7, "sampled": True, "ratio": 1},
        {"dataschema": None, "partitionkey": None},
    ],
)
def test_an_event_of_any_sdk_is_read(changes: dict[str, Any]) -> None:
    assert read(record(ADD.topic, event(**changes)))[1] == ADD


def test_extensions_may_be_numbers_and_truth_values() -> None:
    envelope, _ = read(record(ADD.topic, event(correlationid=77, causationid=True)))
    assert (envelope.correlation_id, envelope.causation_id) == ("77", "true")


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/json; charset=utf-8", "text/json", "application/x+json"]
)
def test_a_record_of_any_sdk_is_read_in_binary_mode(content_type: str) -> None:
    more = [
        ("content-type", content_type.encode()),
        ("ce_datacontenttype", content_type.encode()),
        ("ce_tenant", b"\xff"),
        ("ce_priority", b"7"),
    ]
    assert read(binary(ADD, more=more))[1] == ADD


def test_the_media_type_of_an_event_is_matched_in_any_case() -> None:
    headers = [("content-type", b"Application/CloudEvents+JSON; Charset=UTF-8"), ("ce_type", b"other")]
    assert read(record(ADD.topic, event(), headers))[1] == ADD


# --- what it does not


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"id": 7}, "the attribute id must be a string: write it in quotes"),
        ({"source": ["/shop"]}, "the attribute source must be a string: write it in quotes"),
        ({"specversion": 1.0}, "the attribute specversion must be a string: write it in quotes"),
        ({"id": None}, "the attribute id is missing"),
        ({"id": None, "ID": "1"}, "the attribute ID must be written id"),
        ({"correlationid": None, "correlationId": "1"}, "the attribute correlationId must be written correlationid"),
        ({"data": None, "Data": {}}, "the attribute Data must be written data"),
        ({"data_base64": "e30="}, "the value has both data and data_base64; send one of them"),
        ({"data": None, "data_base64": "%"}, "data_base64 must be a string of Base64 (RFC 4648, section 4)"),
        ({"data": None, "data_base64": {}}, "data_base64 must be a string of Base64 (RFC 4648, section 4)"),
    ],
)
def test_an_attribute_that_cannot_be_so_is_named(changes: dict[str, Any], said: str) -> None:
    assert why(event(**changes)) == said


def test_text_in_another_character_set_is_refused_where_that_matters() -> None:
    latin = ("content-type", b"application/json; charset=ISO-8859-1")
    assert read(binary(ADD, more=[latin]))[1] == ADD
    with pytest.raises(UnreadableError, match="the data is in the character set iso-8859-1; send UTF-8"):
        read(binary(ADD, DATA[:-1] + ', "x": "é"}'.encode(), more=[latin]))


@pytest.mark.parametrize(
    ("name", "said"),
    [("CE_id", "the header CE_id must be written ce_id"), ("ce-id", "the header ce-id must be written ce_id")],
)
def test_a_header_in_another_form_is_named(name: str, said: str) -> None:
    headers = [("ce_type", ADD.type_name().encode()), (name, b"1"), ("ce_source", b"/s")]
    assert why(DATA, headers) == said
    assert read(record(ADD.topic, DATA, [*headers, ("ce_id", b"1")]))[1] == ADD


@pytest.mark.parametrize("media_type", ["application/cloudevents-batch+json", "application/cloudevents+avro"])
def test_another_format_of_events_is_named(media_type: str) -> None:
    said = why(event(), [("content-type", media_type.encode())])
    assert (
        said
        == f"events of the content type {media_type} are not read; send one event a record, as application/cloudevents+json"
    )


# --- bytes that are no JSON


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (gzip.compress(event()), "is compressed with gzip; send plain JSON, and let the producer compress (compression.type)"),
        (b"\xef\xbb\xbf" + event(), "begins with a byte order mark (EF BB BF); send UTF-8 without one"),
        (event().decode().encode("utf-16"), "is UTF-16 or UTF-32; send UTF-8"),
        (event().decode().encode("utf-16-le"), "is UTF-16 or UTF-32; send UTF-8"),
        (event().decode().encode("utf-16-be"), "is UTF-16; send UTF-8"),
        (event().decode().encode("utf-32-be"), "is UTF-32; send UTF-8"),
        (
            b"\x00\x00\x00\x00\x2a" + event(),
            "is framed by a schema registry's serializer (magic byte 0, schema 42); send plain JSON with a serializer that"
            " needs no registry",
        ),
        (event().replace(b"cart1", b"caf\xe9"), "is not UTF-8 (byte"),
        (str(json.loads(event())).encode(), "has names in single quotes; JSON has double quotes (in Python: json.dumps)"),
        (b"<event/>", "seems to be XML; send JSON"),
        (b'{"type": }', "is not JSON: expected value at line 1 column 10"),
        (zlib.compress(event()), "is not UTF-8"),
        (lzma.compress(event()), "is not UTF-8"),
    ],
)
@pytest.mark.parametrize("mode", ["binary", "structured"])
def test_bytes_that_are_no_json_are_recognised(mode: str, value: bytes, said: str) -> None:
    if mode == "structured":
        assert why(value).startswith(f"no CloudEvents type in the headers, and the value {said}")
    else:
        assert why(value, binary(ADD).headers).startswith(f"AddItem cannot be read: the value {said}")


def test_what_was_encoded_twice_is_told_so() -> None:
    twice = json.dumps(event().decode()).encode()
    said = "is a JSON string that holds JSON: it was encoded twice; send the object itself"
    assert why(twice) == f"the value {said}"
    for spoilt in (binary(ADD, json.dumps(DATA.decode()).encode()), structured(ADD, data=DATA.decode())):
        with pytest.raises(RefusedError, match=said):
            read(spoilt)


def test_a_list_of_events_is_told_that_it_is_one() -> None:
    assert why(b"[" + event() + b"]") == "the value is a list; send one event a record"


# --- sentences


def test_every_pattern_of_the_contract_has_words() -> None:
    def patterns(part: Any) -> set[str]:
        if isinstance(part, dict):
            own = {part["pattern"]} if isinstance(part.get("pattern"), str) else set()
            return own.union(*map(patterns, part.values()), part.get("patternProperties", {}))
        return set().union(*map(patterns, part)) if isinstance(part, list) else set()

    found = set().union(*(patterns(kind.model_json_schema()) for kind in MESSAGES.values()))
    assert found == set(_PATTERNS)


OF_PYTHON = ("Value error", "^[", "None:", "Input should", "Extra inputs", "valid ", "Field required")
JUNK: list[Any] = [None, True, -1, 1.5, 10**40, "", "a b", "\u0000", [], {}, [1], {"a": 1}, "2026-01-01", "x" * 500]


@pytest.mark.parametrize("kind", MESSAGES.values(), ids=lambda kind: kind.__name__)
def test_no_refusal_speaks_of_python_or_of_patterns(kind: Any) -> None:
    message = a(kind)
    for field in kind.model_fields:
        for junk in JUNK:
            said = outcome(binary(message, body(message, **{field: junk})))
            assert not any(word in said for word in OF_PYTHON), said


def test_an_event_nobody_can_read_names_the_field_and_what_to_change() -> None:
    confirmed = a(CheckoutConfirmed)
    with pytest.raises(
        UnreadableError, match=r"^CheckoutConfirmed cannot be read: revision: must be a whole number, not in quotes$"
    ):
        read(binary(confirmed, body(confirmed, revision="one")))
