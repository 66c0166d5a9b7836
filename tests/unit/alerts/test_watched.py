"""The state of a checkout, whatever the order of its events."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest

from services.alerts.watchdog.checkout_alerts import AUTHORIZATION
from services.alerts.watchdog.checkouts import read
from services.alerts.watchdog.watched import Watched, durations, total_duration
from shared.contract.envelope import Envelope, Record, write
from shared.contract.message import Message
from shared.contract.order import OrderConfirmed
from shared.contract.payment import AuthorizationExpiring, PaymentVoided
from shared.contract.topics import EVENT_SOURCES
from shared.progress import Limits, Outcome
from tests.support.clock import NOW

LIMITS = Limits(prompt=30, gateway=250, customer=1800)


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


STORY = {
    "CheckoutStarted": after(0),
    "StockReserved": after(1),
    "CheckoutConfirmed": after(60),
    "ReservationExtended": after(61),
    "TotalsCalculated": after(63),
    "PaymentAuthorized": after(70),
    "OrderCreated": after(71),
    "PaymentCaptured": after(75),
    "OrderConfirmed": after(76),
    "StockCommitted": after(77),
}


def heard(*kinds: str) -> Watched:
    watched = Watched("c.1")
    for kind in kinds:
        watched.apply({kind: STORY[kind]}, LIMITS, NOW)
    return watched


def test_a_checkout_is_overdue_when_its_step_took_longer_than_it_should() -> None:
    watched = heard("CheckoutStarted", "StockReserved", "CheckoutConfirmed")
    assert (watched.step, watched.overdue_at) == ("extend", after(90))
    assert watched.overdue(LIMITS, after(89)) is None
    waiting = watched.overdue(LIMITS, after(90))
    assert waiting
    assert (waiting.step.name, waiting.step.who) == ("extend", "inventory")


def test_the_gateway_and_the_customer_have_the_time_they_need() -> None:
    assert heard("CheckoutStarted", "StockReserved").overdue_at == after(1800)
    assert heard("CheckoutStarted", "CheckoutConfirmed", "ReservationExtended", "TotalsCalculated").overdue_at == after(313)


def test_the_status_does_not_depend_on_the_order_of_events() -> None:
    kinds = ["CheckoutConfirmed", "ReservationExtended", "TotalsCalculated", "PaymentAuthorized"]
    stands = {(w.step, w.overdue_at) for order in permutations(kinds) for w in [heard(*order)]}
    assert stands == {("create", after(100))}


def test_a_repeated_event_changes_nothing() -> None:
    once, twice = heard(*STORY), heard(*STORY, *STORY)
    assert (once.seen, once.step, once.overdue_at) == (twice.seen, twice.step, twice.overdue_at)


def test_a_late_event_does_not_start_a_finished_checkout_again() -> None:
    watched = heard(*STORY)
    assert watched.step == "clean_up"
    watched.apply({"CheckoutCompleted": after(78)}, LIMITS, NOW)
    assert watched.overdue_at is None
    watched.apply({"OrderConfirmed": after(76)}, LIMITS, NOW)
    assert watched.overdue(LIMITS, after(10_000)) is None


def test_a_wait_for_a_person_is_never_overdue() -> None:
    watched = Watched("c.1")
    failed = ("CaptureFailed", "OrderCancelled", "VoidFailed", "ReservationReleased", "CartReopened")
    known = {kind: at for kind, at in STORY.items() if at <= STORY["OrderCreated"]}
    watched.apply({**known, **{kind: after(80) for kind in failed}}, LIMITS, NOW)
    assert watched.step is None
    assert watched.overdue(LIMITS, after(10_000)) is None


def test_the_seconds_of_each_step() -> None:
    took = durations(STORY)
    assert took["reserve"] == 1
    assert took["authorize"] == 7
    assert took["total"] == 2, "from the later of what it needs"
    assert "clean_up" not in took
    assert durations({"PaymentAuthorized": after(1)}) == {}, "nobody knows when it began"


def test_the_seconds_of_a_whole_checkout_begin_with_the_confirmation() -> None:
    assert total_duration({**STORY, "CheckoutCompleted": after(78)}, Outcome.COMPLETED) == 18
    assert total_duration({"CheckoutConfirmed": after(60), "ReservationFailed": after(60.5)}, Outcome.OUT_OF_STOCK) == 0.5
    assert total_duration({"CheckoutStarted": after(0), "CheckoutAbandoned": after(9)}, Outcome.ABANDONED) is None
    assert total_duration({"CheckoutConfirmed": after(60), "OrderRejected": after(59)}, Outcome.REJECTED) == 0, "clocks differ"


def record(message: Message, at: datetime = NOW, spoilt: str = "", source: str | None = None) -> Record:
    """A message as it is read from its topic; the header ``spoilt`` is invalid."""
    source = source or EVENT_SOURCES[message.topic]
    written, value = write(Envelope("id-1", source, message.type_name(), message.key, "c"), message, at)
    changed = [(name, b"\xff soon" if name == spoilt else old) for name, old in written]
    return Record(message.topic, 0, 0, message.key.encode(), value, changed, 1_767_225_600_000)


CONFIRMED = OrderConfirmed(cart_id="c", checkout_id="c.1", order_number="Q", payment="captured", currency="EUR", total=1)
VOIDED = PaymentVoided(cart_id="c", checkout_id="c.1", amount=1490, currency="EUR")
HELD = AuthorizationExpiring(cart_id="c", checkout_id="c.1", amount=1490, currency="EUR", authorized_at=NOW)


def test_records_are_read_by_their_headers() -> None:
    news = read([record(CONFIRMED, after(5)), record(CONFIRMED, after(3)), record(VOIDED, after(9))], NOW)
    assert news["c.1"].facts == {"OrderConfirmed": after(5), "PaymentVoided": after(9)}


@pytest.mark.parametrize("source", ["/tests", "/quadrille/cart"])
def test_an_event_from_another_source_is_skipped(source: str) -> None:
    assert not read([record(CONFIRMED, source=source), record(HELD, source=source)], NOW)


def test_notices_and_their_ends_keep_their_order() -> None:
    told = read([record(HELD), record(VOIDED)], NOW)["c.1"].sequence
    assert [getattr(one, "kind", one) for one in told] == [AUTHORIZATION, "PaymentVoided"]


@pytest.mark.parametrize("header", ["ce_subject", "ce_type"])
def test_a_record_without_a_valid_checkout_or_type_is_skipped(header: str) -> None:
    assert not read([record(CONFIRMED, spoilt=header)], NOW)


def test_an_unreadable_time_is_replaced_by_the_record_s() -> None:
    assert read([record(CONFIRMED, spoilt="ce_time")], NOW)["c.1"].facts["OrderConfirmed"] == NOW


@pytest.mark.parametrize("claimed", [datetime.max, datetime.min, datetime(2099, 1, 1), datetime(1970, 1, 1)])
def test_an_impossible_time_is_not_trusted(claimed: datetime) -> None:
    facts = read([record(CONFIRMED, claimed.replace(tzinfo=UTC))], NOW)["c.1"].facts
    assert facts["OrderConfirmed"] == NOW


@pytest.mark.parametrize("timestamp", [2**62, -(2**62), -1])
def test_an_impossible_timestamp_of_the_record_is_not_trusted(timestamp: int) -> None:
    spoilt = replace(record(CONFIRMED, spoilt="ce_time"), timestamp=timestamp)
    watched = Watched("c.1")
    watched.apply(read([spoilt], NOW)["c.1"].facts, LIMITS, NOW)
    assert watched.overdue_at is not None
