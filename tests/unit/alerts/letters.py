"""Dead letters as they arrive on the topic, for tests that need some."""

from collections.abc import Iterable

from services.alerts.failures import Arrival, fault_of
from services.alerts.keeper import arrive, concern
from services.alerts.model import Alert, DeadLetter, DeadRecord
from shared.contract.alerts import RedriveDeadLetter
from shared.contract.cart import OpenCart
from shared.contract.envelope import Envelope, Headers, write
from shared.contract.message import Command, Message
from shared.contract.payment import FailedCompensation, VoidFailed
from shared.runtime.inputs import failure_headers, without_failure
from shared.runtime.records import pack
from tests.support.clock import NOW

GARBAGE = b'\xff{"not": json\x00'


def unreadable(
    value: bytes | None = GARBAGE, headers: Headers = (), *, offset: int = 17, service: str = "cart", dlq_offset: int = 0
) -> Arrival:
    """A record of ``cart.commands`` that could not be read."""
    message = f"the value has {len(value or b'')} bytes and is 'odd'"
    why = failure_headers(service, "read", "shop.cart.commands", 3, offset, "UnreadableError", message, NOW)
    return Arrival(3, dlq_offset, 1_000, b"key", value, [*without_failure(headers), *why])


def unhandled(message_id: str = "m1", *, offset: int = 17, dlq_offset: int = 0) -> Arrival:
    """A command on which a reaction fell over."""
    command = OpenCart(cart_id="c1", currency="EUR", customer_id="k1")
    headers, value = write(Envelope(message_id, "/tests", command.type_name(), "c1", message_id), command, NOW)
    why = failure_headers("cart", "open_cart", "shop.cart.commands", 3, offset, "ZeroDivisionError", "a bug", NOW)
    return Arrival(3, dlq_offset, 1_000, b"c1", value, [*headers, *why])


def stuck(kind: type[FailedCompensation] = VoidFailed, code: str = "refused", event_id: str = "e1") -> Arrival:
    """A compensation that failed."""
    event = kind(
        cart_id="c1", checkout_id="c1.1", amount=1490, currency="EUR", gateway_reference="c1.1", hold="hold_1",
        attempts=8, code=code, reason="the bank said no",
    )  # fmt: skip
    headers, value = write(Envelope(event_id, "/quadrille/payment", event.type_name(), "c1", "story"), event, NOW)
    why = failure_headers("payment", "compensation", "shop.payment.events", 3, -1, kind.__name__, event.reason, NOW)
    return Arrival(3, 0, 1_000, b"c1", value, [*headers, *why])


def deadline(aggregate_id: str = "c1") -> Arrival:
    """A deadline on which a reaction fell over."""
    why = failure_headers("cart", "lapse_session", "", 3, -1, "ZeroDivisionError", "a bug", NOW)
    return Arrival(3, 0, 1_000, aggregate_id.encode(), f"Due(aggregate_id={aggregate_id!r})".encode(), why)


def kept(
    arrival: Arrival, letter: DeadLetter | None = None, alert: Alert | None = None
) -> tuple[DeadLetter, Alert, list[Message]]:
    """What the keeper makes of an arrival, with the events that follow."""
    fault = fault_of(arrival, "shop.")
    letter = letter or DeadLetter(fault.letter_id)
    assert fault.letter_id == letter.letter_id, "another dead letter"
    failure, events = arrive(letter, fault, arrival, NOW)
    alert = alert or Alert(failure.alert_id)
    assert failure.alert_id == alert.alert_id, "another alert"
    return letter, alert, events + concern(alert, letter, failure, NOW)


def names(events: Iterable[object]) -> list[str]:
    """What events are called."""
    return [type(event).__name__ for event in events]


def record_of(arrival: Arrival, letter: DeadLetter) -> DeadRecord:
    """The bytes of an arrival, as they are kept."""
    return DeadRecord(letter.letter_id, arrival.key, arrival.value, pack(without_failure(arrival.headers)))


def asked(command: Command, command_id: str = "command-1", traceparent: str | None = None) -> Envelope:
    """The envelope of a command of staff."""
    return Envelope(command_id, "/quadrille/staff", command.type_name(), command.key, command_id, traceparent=traceparent)


def redrive(letter: DeadLetter, *, parked: bool = False) -> RedriveDeadLetter:
    """The command to send it once more."""
    return RedriveDeadLetter(letter_id=letter.letter_id, by="ada", why="cart is mended", parked=parked)
