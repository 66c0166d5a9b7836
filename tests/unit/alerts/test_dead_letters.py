"""What may be done about a dead letter, and what follows: decisions only."""

from typing import Any

import pytest

from services.alerts import reactions as react
from services.alerts.failures import Arrival
from services.alerts.model import Alert, DeadLetter, LetterState
from shared.contract.alerts import (
    DeadLetterRedriven,
    DeadLetterReturned,
    ParkDeadLetter,
    ResolveDeadLetter,
)
from shared.contract.envelope import Record
from shared.contract.message import Message
from shared.contract.redrive import unwrap
from shared.contract.rejection import CommandRejected
from shared.runtime.records import Outgoing
from tests.support.clock import NOW
from tests.unit.alerts.letters import asked, deadline, kept, names, record_of, redrive, stuck, unhandled, unreadable


def redriven(letter: DeadLetter, arrival: Arrival, *, parked: bool = False, trace: str | None = None) -> list[Any]:
    """What follows from the command to redrive."""
    command = redrive(letter, parked=parked)
    records = {letter.letter_id: record_of(arrival, letter)}
    return list(react.redrive_dead_letter(letter, command, asked(command, traceparent=trace), records, NOW))


def code(events: list[Message]) -> str:
    """The reason of the one refusal there is."""
    (refused,) = events
    assert isinstance(refused, CommandRejected)
    return refused.reasons[0].code


def parked(letter: DeadLetter, alert: Alert) -> list[Message]:
    """What follows from the command to park."""
    command = ParkDeadLetter(letter_id=letter.letter_id, by="ada", why="monday")
    return list(react.park_dead_letter(letter, command, asked(command), {alert.alert_id: alert}, NOW))


def resolved(letter: DeadLetter, alert: Alert, by: str = "ada") -> list[Message]:
    """What follows from the command to resolve."""
    command = ResolveDeadLetter(letter_id=letter.letter_id, by=by, why="garbage")
    return list(react.resolve_dead_letter(letter, command, asked(command), {alert.alert_id: alert}, NOW))


def test_a_dead_letter_opens_its_alert_once() -> None:
    letter, alert, events = kept(unhandled())
    assert names(events) == ["AlertOpened"]
    assert (letter.state, letter.seen, alert.letters) == ("open", 1, [letter.letter_id])
    assert alert.notify_at == NOW
    _, _, events = kept(unhandled(dlq_offset=1), letter, alert)
    assert events == []
    assert (letter.seen, letter.returned, alert.times_seen) == (2, 0, 2)


def test_a_redrive_sends_the_record_as_it_came_to_the_service_that_failed() -> None:
    headers = [("a", b"\x00\xff"), ("traceparent", b"stale"), ("b", None), ("a", b"again")]
    arrival = unreadable(headers=headers)
    letter, _, _ = kept(arrival)
    record, event = redriven(letter, arrival, trace="fresh")
    assert isinstance(record, Outgoing)
    assert isinstance(event, DeadLetterRedriven)
    assert (record.topic, record.lane, record.key, record.value) == ("cart.redrive", 3, arrival.key, arrival.value)
    read = unwrap(Record(record.topic, 3, 0, record.key, record.value, record.headers, 0))
    assert (read.topic, read.partition, read.offset) == ("cart.commands", 3, 17)
    assert read.headers == [("a", b"\x00\xff"), ("b", None), ("a", b"again"), ("traceparent", b"fresh")]
    assert (letter.state, letter.replays, event.by, event.why) == ("redriven", 1, "ada", "cart is mended")


def test_what_came_back_is_the_same_dead_letter_and_the_same_alert() -> None:
    arrival = unreadable()
    letter, alert, _ = kept(arrival)
    redriven(letter, arrival)
    _, _, events = kept(unreadable(dlq_offset=1), letter, alert)
    assert names(events) == ["DeadLetterReturned"]
    assert (letter.state, letter.returned, letter.seen) == ("open", 1, 2)
    assert "came back 1 of 1 times" in alert.text
    assert [action.what for action in letter.actions] == ["redriven", "came back"]


def test_the_third_return_parks_it() -> None:
    arrival = unreadable()
    letter, alert, _ = kept(arrival)
    for offset in range(1, 4):
        redriven(letter, arrival)
        _, _, events = kept(unreadable(dlq_offset=offset), letter, alert)
    (returned,) = events
    assert isinstance(returned, DeadLetterReturned)
    assert (returned.returned, returned.parked, letter.state) == (3, True, "parked")
    assert "--parked" in alert.text
    assert code(redriven(letter, arrival)) == "parked"
    assert names(redriven(letter, arrival, parked=True)) == ["Outgoing", "DeadLetterRedriven"]
    kept(unreadable(dlq_offset=9), letter, alert)
    assert letter.state == "parked"


def test_a_redrive_that_is_published_twice_counts_one_return() -> None:
    arrival = unreadable()
    letter, alert, _ = kept(arrival)
    redriven(letter, arrival)
    kept(unreadable(dlq_offset=1), letter, alert)
    kept(unreadable(dlq_offset=2), letter, alert)
    assert (letter.returned, letter.seen) == (1, 3)


def test_counts_come_from_our_own_rows_whatever_a_header_claims() -> None:
    forged = [("__connect.errors.quadrille.attempts", b"99"), ("__quadrille.redrive.replays", b"99")]
    letter, _, _ = kept(unreadable(headers=forged))
    assert (letter.replays, letter.returned, letter.state) == (0, 0, "open")


def test_what_the_service_handled_at_last_is_over() -> None:
    arrival = unhandled()
    letter, alert, _ = kept(arrival)
    redriven(letter, arrival)
    assert names(resolved(letter, alert, by="cart")) == ["DeadLetterResolved", "AlertResolved"]
    assert (letter.state, alert.state) == ("resolved", "resolved")
    assert code(redriven(letter, arrival)) == "resolved"


def test_what_happens_anew_opens_both_again() -> None:
    letter, alert, _ = kept(unhandled())
    resolved(letter, alert)
    _, _, events = kept(unhandled(dlq_offset=5), letter, alert)
    assert names(events) == ["AlertOpened"]
    assert (letter.state, alert.state, letter.returned) == ("open", "open", 0)


def test_parking_is_a_decision_that_others_see() -> None:
    arrival = unhandled()
    letter, alert, _ = kept(arrival)
    assert names(parked(letter, alert)) == ["DeadLetterParked", "AlertAcknowledged"]
    assert (letter.state, alert.state) == ("parked", "acknowledged")
    assert code(parked(letter, alert)) == "parked"
    assert code(redriven(letter, arrival)) == "parked"
    kept(unhandled(dlq_offset=1), letter, alert)
    assert letter.state == "parked"


@pytest.mark.parametrize("arrival", [deadline(), stuck(), Arrival(0, 0, 0, None, b"x", [])])
def test_what_is_no_record_of_a_service_cannot_be_redriven(arrival: Arrival) -> None:
    letter, _, _ = kept(arrival)
    assert code(redriven(letter, arrival)) == "not_redrivable"
    assert letter.state == "open"


def test_twice_at_once_is_once() -> None:
    arrival = unhandled()
    letter, _, _ = kept(arrival)
    redriven(letter, arrival)
    assert code(redriven(letter, arrival)) == "redriven"
    assert letter.replays == 1


def test_money_is_not_settled_by_closing_its_dead_letter() -> None:
    letter, alert, _ = kept(stuck())
    assert code(resolved(letter, alert)) == "not_settled"
    assert code(parked(letter, alert)) == "not_settled"
    assert letter.state is LetterState.OPEN


def test_a_dead_letter_nobody_knows_is_refused() -> None:
    blank = DeadLetter("0123456789abcdef")
    assert code(redriven(blank, unhandled())) == "unknown"
    assert code(resolved(blank, Alert(""))) == "unknown"
    assert code(parked(blank, Alert(""))) == "unknown"
