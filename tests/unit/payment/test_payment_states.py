"""Every message that concerns a payment, in every state it can meet: right, early, twice, late."""

from copy import deepcopy

import pytest

from services.payment.answers import GatewayAnswered
from services.payment.model import Payment
from shared.contract.order import OrderCancelled, OrderCreated, OrderRejected, TotalsCalculated
from shared.contract.payment import (
    MarkPaid,
    MarkRefunded,
    MarkVoided,
    PaymentCommand,
    PaymentDeferred,
    PaymentMarkedPaid,
    PaymentRefunded,
    PaymentVoided,
    RefundFailed,
    RefundRetried,
    RetryRefund,
    RetryVoid,
    VoidRetried,
)
from shared.contract.rejection import CommandRejected
from tests.support.facts import CARD, CASH, CHECKOUT, TOTALS, a
from tests.support.moves import Move, Table, play, rows
from tests.support.solo import Solo, codes, only
from tests.unit.payment.payments import DONE, STATES, operation, payment, payment_in

FREE = TOTALS.model_copy(update={"total": 0})
TRIGGERS = {
    "TotalsCalculated": a(TotalsCalculated),
    "TotalsCalculated, cash": a(TotalsCalculated, payment_method=CASH),
    "OrderCreated": a(OrderCreated),
    "OrderRejected": a(OrderRejected),
    "OrderCancelled": a(OrderCancelled),
    "RetryVoid": a(RetryVoid),
    "RetryRefund": a(RetryRefund),
    "MarkVoided": a(MarkVoided),
    "MarkRefunded": a(MarkRefunded),
    "MarkPaid": a(MarkPaid),
}
BACK = {
    "unknown": ("voided",),
    "authorizing": ("authorizing",),
    "authorized": ("voiding",),
    "deferred": ("voided", PaymentVoided),
    "paid": ("refund_failed", RefundFailed),
    "capturing": ("capturing",),
    "captured": ("refunding",),
    "capture_failed": ("voiding",),
}
CASH_BACK = "refund_failed, paid in cash"


def or_refused(**right: tuple[object, ...]) -> dict[str, tuple[object, ...]]:
    """A command of staff: right in these states, refused in all others."""
    return {state: right.get(state, (payment(payment_in(state)).state, CommandRejected)) for state in STATES}


MOVES: Table = {
    "TotalsCalculated": {"unknown": ("authorizing",)},
    "TotalsCalculated, cash": {"unknown": ("deferred", PaymentDeferred)},
    "OrderCreated": {"authorized": ("capturing",)},
    "OrderRejected": BACK,
    "OrderCancelled": BACK,
    "RetryVoid": or_refused(void_failed=("voiding", VoidRetried)),
    "RetryRefund": or_refused(refund_failed=("refunding", RefundRetried)),
    "MarkVoided": or_refused(void_failed=("void_failed",)),
    "MarkRefunded": {**or_refused(refund_failed=("refund_failed",)), CASH_BACK: ("refunded", PaymentRefunded)},
    "MarkPaid": or_refused(deferred=("paid", PaymentMarkedPaid)),
}


@pytest.mark.parametrize(("trigger", "move"), rows(MOVES, STATES), ids=str)
def test_a_message_in_a_state(trigger: str, move: Move) -> None:
    made = payment_in(move.start)
    for event in play(made, Payment, CHECKOUT, TRIGGERS[trigger], move):
        assert event.key == "cart1"
        if not isinstance(event, CommandRejected):
            assert (event.subject, getattr(event, "currency", "EUR")) == (CHECKOUT, "EUR")
    claimed = (trigger, move.start) in (("MarkVoided", "void_failed"), ("MarkRefunded", "refund_failed"))
    asks = claimed or payment(made).state in ("authorizing", "capturing", "voiding", "refunding")
    waits = asks or payment(made).state == "authorized"  # for the order, and not for ever
    assert (payment(made).operation is not None, payment(made).due_at is not None) == (asks, waits)


def test_the_authorization_is_asked_for_the_total_on_the_customers_card() -> None:
    made = payment_in("authorizing")
    assert (payment(made).amount, payment(made).currency, payment(made).token) == (2990, "EUR", CARD.token)
    assert (operation(made).kind, operation(made).step, operation(made).key) == ("authorize", "call", "cart1.1:authorize:1")
    assert payment(made).due_at == made.now


@pytest.mark.parametrize(
    ("event", "because", "amount"),
    [
        (a(TotalsCalculated, payment_method=CASH), "cash_on_delivery", 2990),
        (a(TotalsCalculated, totals=FREE), "zero_total", 0),
        (a(TotalsCalculated, totals=FREE, payment_method=CASH), "zero_total", 0),
    ],
)
def test_where_nothing_is_to_be_held_the_payment_is_deferred(event: TotalsCalculated, because: str, amount: int) -> None:
    made = Solo("payment")
    deferred = only(PaymentDeferred, made.hear(event))
    assert (deferred.because, deferred.amount) == (because, amount)
    assert (payment(made).state, payment(made).operation, payment(made).token) == ("deferred", None, None)


def test_money_paid_on_delivery_is_given_back_by_hand() -> None:
    made = payment_in("paid")
    failed = only(RefundFailed, made.hear(a(OrderRejected)))
    assert (failed.code, failed.amount, failed.authorization_id, failed.attempts) == ("paid_in_cash", 2990, None, 0)
    refused = only(CommandRejected, made.hear(a(RetryRefund)))
    assert codes(refused) == ["paid_in_cash"]
    assert only(PaymentRefunded, made.hear(a(MarkRefunded, by="eve"))).marked_by == "eve"


@pytest.mark.parametrize("late", [a(TotalsCalculated), a(TotalsCalculated, payment_method=CASH)], ids=["card", "cash"])
@pytest.mark.parametrize("end", [OrderRejected, OrderCancelled])
def test_totals_that_come_after_the_end_ask_for_no_money(
    end: type[OrderRejected | OrderCancelled], late: TotalsCalculated
) -> None:
    made = Solo("payment")
    assert made.hear_all(a(end), late, a(OrderCreated)) == []
    assert (payment(made).state, payment(made).operation, payment(made).cart_id) == ("voided", None, "cart1")


@pytest.mark.parametrize(("command", "kind"), [(RetryVoid, "void"), (RetryRefund, "refund")])
def test_a_compensation_tried_again_looks_first_and_has_a_key_of_its_own(
    command: type[RetryVoid | RetryRefund], kind: str
) -> None:
    made = payment_in(f"{kind}_failed")
    used = payment(made).keys
    made.hear(a(command))
    assert (operation(made).kind, operation(made).step, operation(made).attempts) == (kind, "look_up", 0)
    assert (operation(made).key, payment(made).keys) == (f"cart1.1:{kind}:{used + 1}", used + 1)


def test_money_received_by_hand_says_who_took_it_and_why() -> None:
    marked = only(PaymentMarkedPaid, payment_in("deferred").hear(a(MarkPaid, by="eve", why="by telephone")))
    assert (marked.marked_by, marked.why) == ("eve", "by telephone")


def test_an_order_that_costs_nothing_is_not_paid_and_its_money_never_given_back() -> None:
    made = Solo("payment")
    made.hear(a(TotalsCalculated, totals=FREE))
    assert codes(only(CommandRejected, made.hear(a(MarkPaid)))) == ["nothing_due"]
    only(PaymentVoided, made.hear(a(OrderCancelled)))


def test_staff_are_told_how_the_payment_stands() -> None:
    refused = only(CommandRejected, payment_in("captured").hear(a(MarkVoided), message_id="m5"))
    assert (refused.command_id, codes(refused)) == ("m5", ["wrong_state"])
    refused = only(CommandRejected, payment_in("unknown").hear(a(MarkPaid)))
    assert refused.reasons[0].message == "the payment does not exist"


@pytest.mark.parametrize(
    ("state", "command"),
    [
        ("void_failed", RetryVoid),
        ("refund_failed", RetryRefund),
        ("void_failed", MarkVoided),
        ("refund_failed", MarkRefunded),
        ("deferred", MarkPaid),
    ],
)
def test_nobody_decides_about_the_payment_of_another_cart(state: str, command: type[PaymentCommand]) -> None:
    made = payment_in(state)
    before = deepcopy(payment(made))
    refused = only(CommandRejected, made.hear(a(command, cart_id="cart2")))
    assert (refused.command_key, codes(refused)) == ("cart2", ["other_cart"])
    assert refused.reasons[0].subject == "cart_id"
    assert payment(made) == before
    assert codes(only(CommandRejected, payment_in("unknown").hear(a(command, cart_id="cart2")))) == ["wrong_state"]


@pytest.mark.parametrize(
    ("command", "wanted"),
    [
        (RetryVoid, "void_failed"),
        (RetryRefund, "refund_failed"),
        (MarkVoided, "void_failed"),
        (MarkRefunded, "refund_failed"),
        (MarkPaid, "deferred"),
    ],
)
def test_staff_are_told_when_they_might(
    command: type[RetryVoid | RetryRefund | MarkVoided | MarkRefunded | MarkPaid], wanted: str
) -> None:
    refused = only(CommandRejected, payment_in("captured").hear(a(command)))
    assert refused.reasons[0].message == f"the payment is captured, not {wanted}"


@pytest.mark.parametrize("state", [state for state in STATES if state not in ("unknown", "rejected early")])
def test_an_answer_to_an_older_request_changes_nothing(state: str) -> None:
    made = payment_in(state)
    before = deepcopy(payment(made))
    serials = range(before.serial if before.operation else before.serial + 1)
    for serial in serials:
        assert made.hear(GatewayAnswered(CHECKOUT, serial, DONE)) == []
    assert payment(made) == before
