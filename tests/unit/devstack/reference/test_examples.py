"""Every message has an example that its schema, its readers and ``quadrille send`` take."""

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from cli import send
from devstack.reference import choreography, examples, headers
from devstack.reference.pages import schemas
from devstack.reference.schemas import Schema, definitions, document, file_name
from services.order.coupon import Coupon
from services.order.rules import load_rules
from services.order.totals import calculate
from shared.contract.envelope import read
from shared.contract.message import Message
from shared.contract.order import DefineCoupon
from shared.contract.registry import MESSAGES
from shared.contract.topics import EVENT_SOURCES
from shared.contract.values import Quote, Totals
from tests.unit.devstack.reference import planted

SCHEMAS = schemas()
KINDS = pytest.mark.parametrize("kind", MESSAGES.values(), ids=lambda kind: str(kind.__name__))

FROM_OUTSIDE = [kind for kind in MESSAGES.values() if choreography.from_outside(kind)]


def validator(schema: Schema) -> Draft202012Validator:
    """A validator that also looks at formats."""
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)


@KINDS
def test_examples_are_valid_and_read_back(kind: type[Message]) -> None:
    schema = SCHEMAS[file_name(kind)]
    assert len(schema["examples"]) >= 1
    for example in schema["examples"]:
        validator(schema).validate(example)
    envelope, message = read(examples.record(kind, EVENT_SOURCES.get(kind.topic, "/tests")))
    assert type(message) is kind
    assert envelope.type == kind.type_name()
    assert message == kind.model_validate_json(json.dumps(schema["examples"][0]))


@KINDS
def test_schemas_refuse_what_readers_refuse(kind: type[Message]) -> None:
    """Each field in turn is left out, and then holds what no field can."""
    schema, example = SCHEMAS[file_name(kind)], examples.example(kind)
    for name, part in schema["properties"].items():
        for wrong in ({k: v for k, v in example.items() if k != name}, {**example, name: [None]}):
            taken, read = validator(schema).is_valid(wrong), readable(kind, wrong)
            rules_between_fields = kind.__pydantic_decorators__.model_validators
            assert taken == read or (taken and rules_between_fields), f"{name} ({part}) of {wrong}"


def readable(kind: type[Message], body: dict[str, Any]) -> bool:
    """Whether the model takes it."""
    try:
        kind.model_validate_json(json.dumps(body))
    except ValueError:
        return False
    return True


@KINDS
def test_headers_are_as_their_schema_says(kind: type[Message]) -> None:
    sent = {
        name: (value or b"").decode() for name, value in examples.record(kind, EVENT_SOURCES.get(kind.topic, "/tests")).headers
    }
    attributes = headers.cloud_events()
    assert sent.keys() <= attributes["properties"].keys()
    document_of = {"$defs": {"All": attributes}, **headers.of(kind, "#/$defs/All")}
    validator(document_of).validate(sent)
    assert not validator(document_of).is_valid({**sent, "ce_type": "quadrille.Other.v1"})


def test_all_headers_that_are_written_are_in_the_schema_and_no_other() -> None:
    written = {
        name for kind in MESSAGES.values() for name, _ in examples.record(kind, EVENT_SOURCES.get(kind.topic, "/tests")).headers
    }
    assert written == headers.cloud_events()["properties"].keys()


@pytest.mark.parametrize("kind", FROM_OUTSIDE, ids=lambda kind: str(kind.__name__))
def test_what_clients_send_is_taken_by_send(kind: type[Message]) -> None:
    line = json.dumps({"type": kind.__name__, "data": examples.example(kind)})
    assert send.parse([line]) == [kind.model_validate_json(json.dumps(examples.example(kind)))]


def test_the_totals_are_what_order_makes_of_the_quote() -> None:
    quote = Quote.model_validate_json(json.dumps(examples.EVERYWHERE["quote"]))
    coupon = Coupon("WELCOME10")
    coupon.define(DefineCoupon.model_validate_json(json.dumps(examples.example(DefineCoupon))))
    made = calculate(quote, {coupon.code: coupon}, load_rules(None), examples.AT)
    assert made == Totals.model_validate_json(json.dumps(examples.EVERYWHERE["totals"]))
    assert made.total == examples.EVERYWHERE["total"] == examples.EVERYWHERE["amount"]


def test_a_message_nobody_has_written_an_example_for_has_one() -> None:
    example = examples.example(planted.ParcelSent)
    validator(document(planted.ParcelSent, example)).validate(example)
    assert example == {
        "parcel_id": "EXAMPLE",
        "carrier": "snail",
        "labels": [{"barcode": "EXAMPLE"}],
        "arrives_at": "2026-03-14T09:26:53Z",
        "insured": True,
        "weight": 1,
        "customs": {},
    }


def test_where_nothing_can_be_made_up_words_are_asked_for() -> None:
    with pytest.raises(examples.ExampleError, match="Barred's barcode"):
        examples.example(planted.Barred)


def test_words_stand_only_for_fields_that_are() -> None:
    fields = {name for kind in MESSAGES.values() for name in kind.model_fields}
    fields |= {name for d in definitions(MESSAGES.values(), "#").values() for name in d.get("properties", {})}
    assert examples.EVERYWHERE.keys() <= fields
    assert examples.INSTEAD.keys() <= {kind.__name__ for kind in MESSAGES.values()}
    for kind in MESSAGES.values():
        assert examples.INSTEAD.get(kind.__name__, {}).keys() <= kind.model_fields.keys(), kind.__name__
