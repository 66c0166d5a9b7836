"""What a commit adds to the counters."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import REGISTRY

from services.order.reactions import reactions
from shared.contract.cart import CheckoutConfirmed
from shared.contract.envelope import Envelope, Record, RefusedError
from shared.contract.message import Message
from shared.contract.order import CancelOrder, OrderRejected
from shared.contract.payment import PaymentCaptured
from shared.runtime.inputs import Deliver, Reject, WorkItem
from shared.runtime.observability.meter import Meter
from tests.support.clock import NOW

PAID = PaymentCaptured(cart_id="c", checkout_id="c.1", amount=1, currency="EUR")
CANCEL = CancelOrder(cart_id="c", checkout_id="c.1", reason="r")
RECORD = Record("t", 0, 0, None, None, (), 0)


def handle(message: Message, **more: Any) -> Deliver:
    """A message that was handled."""
    return Deliver(0, reactions.by_trigger[type(message)], message, Envelope("i", "s", "t", "c", "c", **more), RECORD)


def value(name: str, **labels: str) -> float:
    """What a metric of the service under test says."""
    return REGISTRY.get_sample_value(name, {"service": "metered", **labels}) or 0.0


def test_a_commit_is_counted_by_type_and_timed_from_its_causes() -> None:
    refused = Reject(0, RefusedError(Envelope("i", "s", "t", "c", "c"), CancelOrder, ()), RECORD)
    items: list[WorkItem] = [handle(PAID, time=NOW), handle(PAID), handle(CANCEL, time=NOW - timedelta(days=1)), refused]
    at = NOW + timedelta(seconds=2)
    Meter("metered", len).committed(items, Counter({OrderRejected: 3}), Counter({"read": 1}), at)
    assert value("quadrille_messages_handled_total", type="PaymentCaptured") == 2
    assert value("quadrille_messages_handled_total", type="CancelOrder") == 2
    assert value("quadrille_messages_emitted_total", type="OrderRejected") == 3
    assert value("quadrille_dead_letters_total", stage="read") == 1
    assert value("quadrille_reaction_seconds_sum", reaction="confirm_order") == 2, "only what says when it happened is timed"
    assert value("quadrille_reaction_seconds_count", reaction="confirm_order") == 1
    assert value("quadrille_reaction_seconds_count", reaction="cancel_order") == 0, "a client's clock is its own"


def test_what_may_be_counted_is_there_from_the_start_at_nought() -> None:
    Meter("beginning", len).begin(reactions)
    said = {
        "quadrille_messages_handled_total": {"type": "CancelOrder"},
        "quadrille_messages_emitted_total": {"type": "OrderRejected"},
        "quadrille_dead_letters_total": {"stage": "cancel_order"},
    }
    for name, labels in said.items():
        assert REGISTRY.get_sample_value(name, {"service": "beginning", **labels}) == 0
    assert REGISTRY.get_sample_value("quadrille_dead_letters_total", {"service": "beginning", "stage": "read"}) == 0


def test_nothing_is_counted_that_did_not_happen() -> None:
    Meter("unused", len).committed([], {}, {}, NOW)
    assert value("quadrille_messages_handled_total", service="unused", type=CheckoutConfirmed.__name__) == 0


@pytest.mark.parametrize(
    ("key", "partition", "why"),
    [(None, 1, "no_key"), (b"", 1, "no_key"), (b"other", 1, "other_key"), (b"c", 2, "other_partition"), (b"c", 1, None)],
)
def test_commands_whose_order_is_not_kept_are_counted(key: bytes | None, partition: int, why: str | None) -> None:
    service = f"misplaced {key!r} {partition}"
    record = replace(RECORD, key=key, partition=partition)
    Meter(service, len).committed([replace(handle(CANCEL), record=record), replace(handle(PAID), record=record)], {}, {}, NOW)
    found = {
        reason: value("quadrille_commands_misplaced_total", service=service, kind=reason)
        for reason in ("no_key", "other_key", "other_partition")
    }
    assert found == {reason: float(reason == why) for reason in found}
