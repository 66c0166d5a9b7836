"""Lines that are sent: each is checked before any goes, and every fault is told with its line."""

import json
from typing import Any

import pytest

from cli.send import SENDABLE, LineError, parse
from shared.contract.cart import AddItem, ConfirmCheckout
from shared.contract.message import Command
from shared.contract.registry import MESSAGES
from tests.support.facts import a


def line(kind: str = "AddItem", **changes: Any) -> str:
    return json.dumps({"type": kind, "data": {"cart_id": "c1", "sku": "tea", "quantity": 2}, **changes})


def faults(*lines: str) -> list[str]:
    with pytest.raises(LineError) as error:
        parse(lines)
    return str(error.value).splitlines()


def test_lines_become_messages_in_their_order() -> None:
    confirm = '{"type": "ConfirmCheckout", "data": {"cart_id": "c1"}}'
    assert parse([line(), "\n", "  ", confirm]) == [
        AddItem(cart_id="c1", sku="tea", quantity=2),
        ConfirmCheckout(cart_id="c1"),
    ]
    assert parse([]) == []


@pytest.mark.parametrize("kind", ["AddItem", "quadrille.AddItem.v1"])
def test_a_type_is_a_short_or_a_full_name(kind: str) -> None:
    assert parse([line(kind)]) == [AddItem(cart_id="c1", sku="tea", quantity=2)]


def test_every_command_can_be_written_as_a_line() -> None:
    for name, kind in SENDABLE.items():
        message = a(kind)
        assert parse([json.dumps({"type": name, "data": message.model_dump(mode="json")})]) == [message]


def test_events_of_services_are_not_sent() -> None:
    assert {"AddItem", "CancelOrder", "ProductListed", "ReceiveStock", "RetryVoid"} <= SENDABLE.keys()
    events = {kind.__name__ for kind in MESSAGES.values() if not issubclass(kind, Command)}
    assert SENDABLE.keys() & events == {"ProductListed", "ProductPriceChanged", "ProductDelisted"}
    (fault,) = faults(line("OrderConfirmed"))
    assert fault.startswith("line 1: 'OrderConfirmed' is not a command. Commands: AbandonCheckout, ")


def test_every_invalid_line_is_listed_with_all_its_faults() -> None:
    wrong = line(data={"sku": "no spaces", "quantity": 0, "colour": "red"})
    assert faults("{", line(), "", wrong, "7") == [
        "line 1: not JSON: EOF while parsing an object at line 1 column 1",
        "line 4: cart_id: is missing; sku: must be 1 to 64 characters (letters, digits and . _ : - | @ / + = ~), beginning"
        " with a letter or digit; quantity: must be at least 1; colour: unknown field; remove it",
        'line 5: not an object with "type" and "data"',
    ]


@pytest.mark.parametrize(
    ("spoilt", "said"),
    [
        ('["AddItem"]', 'not an object with "type" and "data"'),
        ('{"type": 7}', 'not an object with "type" and "data"'),
        ('{"type": "AddItem"}', "must be an object"),
        (line().replace('"quantity": 2', '"quantity": NaN'), "not JSON"),
        (line().replace('"quantity": 2', '"quantity": 1e999'), "not JSON compliant"),
        (line().replace('"quantity": 2', f'"quantity": {"1" * 5000}'), "number out of range"),
        (line().replace('"tea"', '"tea", "sku": "cup"'), "duplicate field: sku"),
        (line().replace('"data"', '"type": "OpenCart", "data"'), "duplicate field: type"),
        (line().replace("tea", r"\ud800"), "not JSON"),
        (line().replace("tea", b"\xff".decode("utf-8", "surrogateescape")), "not UTF-8"),
        ("[" * 100_000, "recursion limit exceeded"),
        (line(specversion="0.3"), "CloudEvents version '0.3' is not supported"),
        (line(id=""), "the attribute id"),
    ],
    ids=range(13),
)
def test_unreadable_lines_are_rejected(spoilt: str, said: str) -> None:
    (fault,) = faults(spoilt)
    assert fault.startswith("line 1: ")
    assert said in fault
