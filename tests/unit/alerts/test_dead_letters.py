"""Decisions about a dead letter, and their effects."""

from typing import Any

import pytest

from services.alerts.arrivals import Arrival
from services.alerts.model import DeadLetter
from shared.contract.alerts import (
    AcknowledgeAlert,
    DeadLetterRedriven,
    DeadLetterReturned,
    ParkDeadLetter,
    RedriveDeadLetter,
    ResolveDeadLetter,
)
from shared.contract.dead_letter import failure_headers
from shared.contract.envelope import Envelope, Record
from shared.contract.message import Message
from shared.contract.redrive import unwrap
from shared.contract.rejection import CommandRejected
from shared.runtime.records import Outgoing
from tests.support.clock import NOW
from tests.support.facts import a
from tests.support.solo import codes, only
from tests.unit.alerts.dead_letters import GARBAGE, Alerts, deadline, names, stuck, unhandled, unreadable, with_


def code(events: list[Message]) -> str:
    """The code of the only refusal."""
    return codes(only(CommandRejected, events))[0]


def test_a_dead_letter_opens_its_alert_once() -> None:
    alerts = Alerts()
    assert names(alerts.arrives(unhandled())) == ["AlertOpened"]
    dead_letter, alert = alerts.dead_letter, alerts.alert
    assert (dead_letter.state, dead_letter.seen, alert.dead_letters, alert.notify_at) == (
        "open",
        1,
        [dead_letter.dead_letter_id],
        NOW,
    )
    assert alerts.arrives(unhandled(dlq_offset=1)) == []
    assert (dead_letter.seen, dead_letter.returned, alert.times_seen) == (2, 0, 2)


def test_a_redrive_sends_the_record_as_it_came_to_the_service_that_failed() -> None:
    arrival = unreadable(headers=[("a", b"\x00\xff"), ("traceparent", b"stale"), ("b", None), ("a", b"again")])
    alerts = with_(arrival)
    command = RedriveDeadLetter(dead_letter_id=alerts.dead_letter.dead_letter_id, by="ada", why="mended")
    record, event = list[Any](alerts.hear(command, traceparent="fresh"))
    assert isinstance(event, DeadLetterRedriven)
    assert isinstance(record, Outgoing)
    assert (record.topic, record.partition, record.key, record.value) == ("cart.redrive", 3, arrival.key, arrival.value)
    read = unwrap(Record(record.topic, 3, 0, record.key, record.value, record.headers, 0))
    assert (read.topic, read.partition, read.offset) == ("cart.commands", 3, 17)
    assert read.headers == [("a", b"\x00\xff"), ("b", None), ("a", b"again"), ("traceparent", b"fresh")]
    assert (alerts.dead_letter.state, alerts.dead_letter.replays, event.by, event.why) == ("redriven", 1, "ada", "mended")


def test_a_failed_redrive_is_the_same_dead_letter_and_the_same_alert() -> None:
    alerts = with_(unreadable())
    alerts.redrive()
    assert names(alerts.arrives(unreadable(dlq_offset=1))) == ["DeadLetterReturned"]
    assert (alerts.dead_letter.state, alerts.dead_letter.returned, alerts.dead_letter.seen) == ("open", 1, 2)
    assert "1 of 1 redrive failed" in alerts.alert.text
    assert [action.what for action in alerts.dead_letter.actions] == ["redriven", "came back"]


def test_a_failed_redrive_opens_an_acknowledged_alert_again() -> None:
    alerts = with_(unreadable())
    alerts.hear(a(AcknowledgeAlert, alert_id=alerts.alert.alert_id))
    alerts.redrive()
    assert names(alerts.arrives(unreadable(dlq_offset=1))) == ["DeadLetterReturned", "AlertOpened"]
    assert (alerts.alert.state, alerts.alert.notify_at) == ("open", alerts.now)
    alerts.hear(a(AcknowledgeAlert, alert_id=alerts.alert.alert_id))
    assert alerts.arrives(unreadable(dlq_offset=2)) == [], "published twice, it came back once"


def test_the_third_failed_redrive_parks_it() -> None:
    alerts = with_(unreadable())
    for offset in range(1, 4):
        alerts.redrive()
        events = alerts.arrives(unreadable(dlq_offset=offset))
    returned = only(DeadLetterReturned, events)
    assert (returned.returned, returned.parked, alerts.dead_letter.state) == (3, True, "parked")
    assert "--parked" in alerts.alert.text
    assert code(alerts.redrive()) == "parked"
    assert names(alerts.redrive(parked=True)) == ["Outgoing", "DeadLetterRedriven"]
    alerts.arrives(unreadable(dlq_offset=9))
    assert alerts.dead_letter.state == "parked"


def test_counts_come_from_our_rows_and_not_from_headers() -> None:
    forged = [("__connect.errors.quadrille.attempts", b"99"), ("__quadrille.redrive.replays", b"99")]
    dead_letter = with_(unreadable(headers=forged)).dead_letter
    assert (dead_letter.replays, dead_letter.returned, dead_letter.state) == (0, 0, "open")


def test_another_failure_opens_both_again() -> None:
    alerts = with_(unhandled())
    alerts.resolve()
    assert names(alerts.arrives(unhandled(dlq_offset=5))) == ["AlertOpened"]
    assert (alerts.dead_letter.state, alerts.alert.state, alerts.dead_letter.returned) == ("open", "open", 0)


def test_parking_is_a_decision_that_others_see() -> None:
    alerts = with_(unhandled())
    assert names(alerts.park()) == ["DeadLetterParked", "AlertAcknowledged"]
    assert (alerts.dead_letter.state, alerts.alert.state) == ("parked", "acknowledged")
    assert code(alerts.park()) == "parked"
    assert code(alerts.redrive()) == "parked"
    alerts.arrives(unhandled(dlq_offset=1))
    assert alerts.dead_letter.state == "parked"


@pytest.mark.parametrize("arrival", [deadline(), stuck(), Arrival(0, 0, 0, None, b"x", [])])
def test_only_records_that_a_service_reported_can_be_redriven(arrival: Arrival) -> None:
    alerts = with_(arrival)
    assert code(alerts.redrive()) == "not_redrivable"
    assert alerts.dead_letter.state == "open"


def test_a_second_redrive_is_refused_while_the_first_is_under_way() -> None:
    alerts = with_(unhandled())
    alerts.redrive()
    assert code(alerts.redrive()) == "redriven"
    assert alerts.dead_letter.replays == 1


def test_money_is_not_settled_by_closing_its_dead_letter() -> None:
    alerts = with_(stuck())
    assert code(alerts.resolve()) == "not_settled"
    assert code(alerts.park()) == "not_settled"
    assert alerts.dead_letter.state == "open"


@pytest.mark.parametrize("kind", [RedriveDeadLetter, ParkDeadLetter, ResolveDeadLetter])
def test_an_unknown_dead_letter_is_refused(kind: type[Any]) -> None:
    alerts = Alerts()
    assert code(alerts.hear(a(kind))) == "unknown"
    assert alerts.dead_letter == DeadLetter(alerts.dead_letter.dead_letter_id)


# --- a record that several services read, and none of them can


def from_all() -> Alerts:
    """Alerts, after each of these services could not read the same event."""
    alerts = Alerts()
    for place, service in enumerate(("cart", "inventory", "order")):
        why = failure_headers(service, "read", "shop.payment.events", 3, 17, "UnreadableError", "odd", NOW)
        alerts.arrives(Arrival(3, place, 1_000, b"c1", GARBAGE, why))
    return alerts


def handled(alerts: Alerts, service: str) -> list[Any]:
    """What alerts emits when a service reports that it handled its redrive."""
    command = ResolveDeadLetter(dead_letter_id=alerts.dead_letter.dead_letter_id, by=service, why="handled at last")
    said = Envelope("m1", f"/quadrille/{service}", command.type_name(), command.key, "-")
    return alerts.run(alerts.reactions.by_trigger[ResolveDeadLetter], command, said)


def test_it_is_one_dead_letter_and_one_alert() -> None:
    alerts = from_all()
    assert alerts.dead_letter.services == ["cart", "inventory", "order"]
    assert alerts.open == {f"dead:{alerts.dead_letter.dead_letter_id}"}
    assert alerts.alert.title == "cart, inventory, order could not read a record from payment.events/3/17"


def test_a_redrive_goes_to_each_of_them_and_it_stays_until_all_have_handled_it() -> None:
    alerts = from_all()
    sent = [message.topic for message in alerts.redrive() if isinstance(message, Outgoing)]
    assert sent == ["cart.redrive", "inventory.redrive", "order.redrive"]
    assert handled(alerts, "inventory") == handled(alerts, "order") == []
    assert alerts.dead_letter.state == "redriven"
    assert [type(message).__name__ for message in handled(alerts, "cart")] == ["DeadLetterResolved", "AlertResolved"]


def test_the_next_redrive_goes_to_those_who_failed_again() -> None:
    alerts = from_all()
    alerts.redrive()
    handled(alerts, "order")
    why = failure_headers("cart", "read", "shop.payment.events", 3, 17, "UnreadableError", "odd", NOW)
    (returned, *_) = alerts.arrives(Arrival(3, 9, 1_000, b"c1", GARBAGE, why))
    assert isinstance(returned, DeadLetterReturned)
    assert handled(alerts, "inventory") == []
    assert [message.topic for message in alerts.redrive() if isinstance(message, Outgoing)] == ["cart.redrive"]


def test_a_person_closes_it_for_all_of_them() -> None:
    alerts = from_all()
    assert [type(message).__name__ for message in alerts.resolve("order")] == ["DeadLetterResolved", "AlertResolved"]
    assert alerts.open == set()
