"""A transaction that blocks a partition for long opens an alert that names its producer."""

from typing import Any

from services.alerts.watchdog.transactions import HELD_SECONDS, TransactionMonitor
from shared.lag.model import HeldBack, OpenTransaction, Place, Snapshot
from shared.settings import load
from tests.support.reported import Reported

PLACE = ("shop.cart.commands", 3)
OPEN = OpenTransaction(4711, 17, "shop-1", started_at=1_000_000.0, timeout=60.0)


def seen(*looks: tuple[float, dict[Place, HeldBack]]) -> Reported:
    """What is reported after these snapshots."""
    reported: Any = Reported()
    watching = TransactionMonitor(load({"QUADRILLE_TOPIC_PREFIX": "shop."}), reported)
    for at, held in looks:
        watching.update(Snapshot(1_000_000.0 + at, {}, held_back=held), at)
    assert isinstance(reported, Reported)
    return reported


def test_an_open_transaction_is_named_within_a_minute_and_its_alert_closes_when_it_ends() -> None:
    held = {PLACE: HeldBack(17, 5, OPEN)}
    reported = seen((0, held), (10, held), (HELD_SECONDS, held), (30, held), (60, {}), (70, {}))
    (failure,) = reported.open
    assert reported.closed == [failure.alert_id]
    assert failure.severity == "critical"
    assert failure.service == "cart"
    assert "shop.cart.commands/3" in failure.title
    for said in ("'shop-1'", "producer 4711", "--start-offset 17", "kafka-transactions.sh"):
        assert said in failure.text


def test_the_producer_may_be_unknown() -> None:
    (failure,) = (seen((0, {PLACE: HeldBack(17, 5)}), (HELD_SECONDS, {PLACE: HeldBack(17, 5)}))).open
    assert "The brokers do not say whose" in failure.text


def test_successive_transactions_and_those_of_other_topics_open_no_alert() -> None:
    others = ("billing.invoices", 0)
    looks = [(float(at), {PLACE: HeldBack(17 + at, 5, OPEN), others: HeldBack(1, 9)}) for at in range(0, 200, 5)]
    assert (seen(*looks)).open == []
