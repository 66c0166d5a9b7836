"""Card numbers are found however they are written, and what is none is left alone."""

import json

import pytest

from shared.contract.cards import has_card_number, without_card_numbers
from shared.contract.cart import SetPaymentMethod, SetShippingAddress
from shared.contract.envelope import RefusedError, UnreadableError, read
from shared.contract.message import Message
from shared.contract.order import CancelOrder
from shared.contract.payment import MarkPaid
from tests.support.facts import USUAL, a
from tests.unit.contract.records import binary, body, record, structured

VISA = "4242424242424242"
CARDS = [
    VISA, "4242 4242 4242 4242", "4242-4242-4242-4242", "4242.4242.4242.4242", "4242\u00a04242\u00a04242\u00a04242",
    "378282246310005", "3782 822463 10005", "30569309025904", "6304000000000000000", "4222222222222",
    "４２４２４２４２４２４２４２４２", "4 2 4 2 4 2 4 2 4 2 4 2 4 2 4 2",
    "my card is 4242 4242 4242 4242, until 12/29", "no 77 4242 4242 4242 4242 123", "tok_4242424242424242",
]  # fmt: skip
OTHERS = [
    "", "4242424242424241", "pm_1N4242ab42424242", "424242424242", "0000000000000000", "42424242424242424242", "order 1005",
    "2026-11-29T14:58:59.123456Z", "+49 30 901820", "107691503500061507151", "to DE89 3704 0044 0532 0130 00",
    "AT61 1904 3002 3457 3201",
]  # fmt: skip


@pytest.mark.parametrize("text", CARDS)
def test_a_card_number_is_found_and_taken_out(text: str) -> None:
    assert has_card_number(text)
    assert "[card number]" in without_card_numbers(text)
    assert not has_card_number(without_card_numbers(text))


@pytest.mark.parametrize("text", OTHERS)
def test_what_is_none_is_left_alone(text: str) -> None:
    assert not has_card_number(text)
    assert without_card_numbers(text) == text


@pytest.mark.parametrize(
    ("command", "changes", "field"),
    [
        (a(SetPaymentMethod), {"method": {"kind": "card", "token": VISA}}, "method.token"),
        (a(SetPaymentMethod), {"method": {"kind": "card", "token": "4242-4242-4242-4242"}}, "method.token"),
        (a(CancelOrder), {"reason": f"charged {VISA} twice"}, "reason"),
        (a(MarkPaid), {"why": f"paid with {VISA}"}, "why"),
        *(
            (a(SetShippingAddress), {"address": {**USUAL["address"].model_dump(), name: VISA}}, f"address.{name}")
            for name in ("name", "street", "city", "postal_code")
        ),
    ],
)
def test_it_is_refused_at_the_door_and_not_repeated(command: Message, changes: dict[str, object], field: str) -> None:
    with pytest.raises(RefusedError) as refused:
        read(binary(command, body(command, **changes)))
    assert [(reason.code, reason.subject) for reason in refused.value.reasons] == [("card_number", field)]
    assert VISA not in f"{refused.value}{refused.value.reasons}"


@pytest.mark.parametrize(
    "value",
    [
        json.dumps({"specversion": VISA, "id": "1", "source": "/s", "type": "quadrille.AddItem.v1"}).encode(),
        structured(a(CancelOrder), type=VISA).value,
        structured(a(CancelOrder), id=VISA * 20).value,
        f'{{"type": "quadrille.AddItem.v1", "id": "1", "source": "{VISA}", "data": {{"{VISA}": 1}}}}'.encode(),
        VISA.encode(),
    ],
)
def test_no_error_repeats_one_wherever_it_was_written(value: bytes) -> None:
    with pytest.raises((UnreadableError, RefusedError)) as error:
        read(record("cart.commands", value))
    assert VISA not in str(error.value)
