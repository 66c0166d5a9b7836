"""What the gateway knows our payments by, and what is found there that is not ours."""

from dataclasses import replace

import pytest

from services.payment.gateways.port import NotFound
from services.payment.gateways.port import PaymentState as Found
from services.payment.model import Payment
from services.payment.reactions import authorize
from shared.contract.order import OrderCancelled, TotalsCalculated
from shared.contract.payment import (
    ForeignPaymentFound,
    PaymentAuthorized,
    PaymentVoided,
    VoidFailed,
)
from tests.support.clock import NOW
from tests.support.facts import CHECKOUT, a
from tests.support.solo import only
from tests.unit.payment.payments import BUG, DONE, LOST, POLICY, found, operation, outcome, payment, payment_in

FOREIGN = Found("h9", CHECKOUT, "captured", 1490, "JPY", 1490, 0)


def test_a_payment_that_is_not_ours_is_told_of_once_and_our_own_authorization_is_made() -> None:
    made = payment_in("authorizing")
    key = operation(made).key
    told = only(ForeignPaymentFound, outcome(made, LOST, NotFound(CHECKOUT, FOREIGN)))
    assert (told.checkout_id, told.amount, told.currency) == (CHECKOUT, 2990, "EUR")
    assert (told.gateway_reference, told.authorization_id, told.found_amount, told.found_currency) == (
        CHECKOUT,
        "h9",
        1490,
        "JPY",
    )
    assert (operation(made).step, operation(made).key, payment(made).authorization_id) == ("call", key, None)
    assert outcome(made, LOST, NotFound(CHECKOUT, FOREIGN)) == []
    only(PaymentAuthorized, outcome(made, DONE))
    assert payment(made).authorization_id == "h1"
    made.hear(a(OrderCancelled))
    only(PaymentVoided, outcome(made, LOST, found("voided", foreign=FOREIGN)))


def test_a_payment_beside_ours_is_told_of_and_ours_goes_on() -> None:
    told, done = outcome(payment_in("capturing"), LOST, found("captured", foreign=FOREIGN))
    assert isinstance(told, ForeignPaymentFound)
    assert done.type_name() == "quadrille.PaymentCaptured.v1"


def test_another_one_is_told_of_as_well() -> None:
    made = payment_in("authorizing")
    only(ForeignPaymentFound, outcome(made, LOST, NotFound(CHECKOUT, FOREIGN)))
    told = only(ForeignPaymentFound, outcome(made, LOST, NotFound(CHECKOUT, replace(FOREIGN, authorization_id="h10"))))
    assert told.authorization_id == "h10"


@pytest.mark.parametrize(("shop", "reference"), [("", CHECKOUT), ("tea", f"tea/{CHECKOUT}")])
def test_references_and_keys_carry_the_name_of_the_shop(shop: str, reference: str) -> None:
    made = Payment(CHECKOUT)
    assert list(authorize(made, a(TotalsCalculated), replace(POLICY, shop=shop), NOW)) == []
    assert made.gateway_reference == reference
    assert made.operation is not None
    assert made.operation.key == f"{reference}:authorize:1"


def test_a_payment_keeps_its_reference_when_the_shop_is_renamed() -> None:
    made = payment_in("voiding")
    payment(made).reference = f"old/{CHECKOUT}"
    failed = only(VoidFailed, outcome(made, BUG))
    assert failed.gateway_reference == f"old/{CHECKOUT}"
