"""How a late checkout is described."""

import itertools
from datetime import timedelta

import pytest

from services.journal.late import describe
from services.journal.model import WARNINGS, Entry, Form, milliseconds, update_checkouts
from services.journal.tables import checkouts
from shared.contract.registry import MESSAGES
from shared.progress import STEPS, Limits
from tests.support.clock import NOW

LIMITS = Limits(prompt=30, gateway=250, customer=1800)


def described(step: str) -> dict[str, object]:
    names = {"checkout_id": "c.1", "cart_id": "c", "order_number": "Q-0001001"}
    return describe({**names, "step": step, "since": milliseconds(NOW)}, LIMITS)


def test_a_late_checkout_is_described_by_what_it_waits_for() -> None:
    assert described("create") == {
        "kind": "stuck",
        "checkout_id": "c.1",
        "cart_id": "c",
        "order_number": "Q-0001001",
        "step": "create",
        "waits_for": "the order to be created",
        "who": "order",
        "pace": "prompt",
        "since": "2026-01-01T00:00:00+00:00",
        "due_at": "2026-01-01T00:00:30+00:00",
    }


@pytest.mark.parametrize(
    ("step", "kind", "pace", "who"),
    [("capture", "stuck", "gateway", "payment"), ("choose", "stuck", "customer", "customer"),
     ("clean_up", "cleanup_failing", "prompt", "cart")],
)  # fmt: skip
def test_every_pace_and_the_cleanup_are_told_apart(step: str, kind: str, pace: str, who: str) -> None:
    found = described(step)
    assert (found["kind"], found["pace"], found["who"]) == (kind, pace, who)


def warnings(*kinds: str) -> list[str]:
    """The warnings that hold after these events, read in any order."""
    (found,) = {
        tuple(checkout.warnings or ())
        for order in itertools.permutations(enumerate(kinds))
        for checkout in update_checkouts(
            Entry("t", 0, n, NOW, NOW + timedelta(seconds=n), Form.MESSAGE, "c", "s", kind, str(n), "c.1") for n, kind in order
        )
    }
    return list(found)


AUTHORIZATION, RETRIES = "AuthorizationExpiring", "RetriesNearlyExhausted"


@pytest.mark.parametrize(
    ("kinds", "held"),
    [
        (("PaymentAuthorized",), []),
        ((RETRIES,), [RETRIES]),
        ((RETRIES, "PaymentAuthorized"), []),
        ((RETRIES, "PaymentDeclined"), []),
        (("PaymentAuthorized", RETRIES), [RETRIES]),
        (("PaymentAuthorized", RETRIES, "CaptureFailed"), []),
        (("VoidFailed", "VoidRetried", RETRIES), [RETRIES]),
        (("PaymentAuthorized", AUTHORIZATION, RETRIES), [AUTHORIZATION, RETRIES]),
        (("PaymentAuthorized", AUTHORIZATION, RETRIES, "CaptureFailed"), [AUTHORIZATION]),
        *(((AUTHORIZATION, RETRIES, end), []) for end in WARNINGS[AUTHORIZATION]),
    ],
)
def test_a_warning_holds_until_the_gateway_has_answered(kinds: tuple[str, ...], held: list[str]) -> None:
    assert warnings(*kinds) == held


def test_payment_emits_every_event_of_a_warning() -> None:
    named = {*WARNINGS, *(end for ends in WARNINGS.values() for end in ends)}
    assert named <= {kind.__name__ for kind in MESSAGES.values() if kind.topic == "payment.events"}


def test_the_column_of_what_is_in_progress_knows_the_steps_of_customers_and_staff() -> None:
    patient = [step.name for step in STEPS if step.pace in ("customer", "person")]
    computed = checkouts.c.in_progress.computed
    assert computed is not None
    assert str(computed.sqltext) == f"waits - ARRAY{patient} <> '{{}}'"
