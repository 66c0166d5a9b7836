"""Dead letters as they arrive on the topic, and the alerts service by itself."""

from collections.abc import Iterable
from typing import Any

from services.alerts.arrivals import Arrival, read
from services.alerts.model import Alert, DeadLetter, DeadRecord
from shared.contract.alerts import ParkDeadLetter, RedriveDeadLetter, ResolveDeadLetter
from shared.contract.cart import OpenCart
from shared.contract.dead_letter import failure_headers, without_failure
from shared.contract.envelope import Envelope, Headers, write
from shared.contract.message import Message
from shared.contract.payment import FailedCompensation, VoidFailed
from shared.runtime.kafka.lost import LostRecords
from shared.runtime.records import pack
from tests.support.clock import NOW
from tests.support.solo import Solo

GARBAGE = b'\xff{"not": json\x00'


def unreadable(
    value: bytes | None = GARBAGE, headers: Headers = (), *, offset: int = 17, service: str = "cart", dlq_offset: int = 0
) -> Arrival:
    """A record of ``cart.commands`` that could not be read."""
    message = f"the value has {len(value or b'')} bytes and is 'odd'"
    why = failure_headers(service, "read", "shop.cart.commands", 3, offset, "UnreadableError", message, NOW)
    return Arrival(3, dlq_offset, 1_000, b"key", value, [*without_failure(headers), *why])


def unhandled(message_id: str = "m1", *, offset: int = 17, dlq_offset: int = 0) -> Arrival:
    """A command for which a reaction raised."""
    command = OpenCart(cart_id="c1", currency="EUR", customer_id="k1")
    headers, value = write(Envelope(message_id, "/tests", command.type_name(), "c1", message_id), command, NOW)
    why = failure_headers("cart", "open_cart", "shop.cart.commands", 3, offset, "ZeroDivisionError", "a bug", NOW)
    return Arrival(3, dlq_offset, 1_000, b"c1", value, [*headers, *why])


def stuck(
    kind: type[FailedCompensation] = VoidFailed, code: str = "refused", event_id: str = "e1", reason: str = "the bank said no"
) -> Arrival:
    """A compensation that failed."""
    event = kind(
        cart_id="c1", checkout_id="c1.1", amount=1490, currency="EUR", gateway_reference="c1.1", authorization_id="pi_1",
        attempts=8, code=code, reason=reason,
    )  # fmt: skip
    headers, value = write(Envelope(event_id, "/quadrille/payment", event.type_name(), "c1", "story"), event, NOW)
    why = failure_headers("payment", "compensation", "shop.payment.events", 3, -1, kind.__name__, event.reason, NOW)
    return Arrival(3, 0, 1_000, b"c1", value, [*headers, *why])


def lost(service: str = "cart", first: int | None = 17) -> Arrival:
    """The report of records that were deleted before they were read."""
    dead_letter = LostRecords(f"shop.quadrille.{service}", "shop.cart.commands", 3, first, 40).dead_letter(service, NOW)
    return Arrival(3, 0, 1_000, dead_letter.key, dead_letter.value, dead_letter.headers)


def deadline(aggregate_id: str = "c1") -> Arrival:
    """A timer for which a reaction raised."""
    why = failure_headers("cart", "expire_session", "", 3, -1, "ZeroDivisionError", "a bug", NOW)
    return Arrival(3, 0, 1_000, aggregate_id.encode(), f"TimerFired(aggregate_id={aggregate_id!r})".encode(), why)


class Alerts(Solo):
    """The alerts service by itself, with dead letters, commands and events of payment."""

    def __init__(self) -> None:
        super().__init__("alerts")

    def arrives(self, arrival: Arrival) -> list[Message]:
        """A dead letter arrives; returns what alerts emits."""
        arrived = read(arrival, "shop.")
        record = DeadRecord(arrived.dead_letter_id, arrival.key, arrival.value, pack(without_failure(arrival.headers)))
        self.aggregates[DeadRecord].setdefault(arrived.dead_letter_id, record)
        return self.hear(arrived)

    @property
    def dead_letter(self) -> DeadLetter:
        """The one dead letter there is."""
        (dead_letter,) = self.aggregates[DeadLetter].values()
        assert isinstance(dead_letter, DeadLetter)
        return dead_letter

    @property
    def alert(self) -> Alert:
        """The one alert there is, or the one that is open."""
        alerts = [alert for alert in self.aggregates[Alert].values() if alert.state]
        (alert,) = [alert for alert in alerts if not alert.over] or alerts
        assert isinstance(alert, Alert)
        return alert

    @property
    def open(self) -> set[str]:
        """The ids of open alerts."""
        return {alert.alert_id for alert in self.aggregates[Alert].values() if not alert.over}

    def redrive(self, *, parked: bool = False) -> list[Any]:
        """What alerts emits for the command to redrive it."""
        return self.hear(
            RedriveDeadLetter(dead_letter_id=self.dead_letter.dead_letter_id, by="ada", why="mended", parked=parked)
        )

    def park(self) -> list[Message]:
        """What alerts emits for the command to park it."""
        return self.hear(ParkDeadLetter(dead_letter_id=self.dead_letter.dead_letter_id, by="ada", why="monday"))

    def resolve(self, by: str = "ada") -> list[Message]:
        """What alerts emits for the command to resolve it."""
        return self.hear(ResolveDeadLetter(dead_letter_id=self.dead_letter.dead_letter_id, by=by, why="garbage"))


def with_(arrival: Arrival) -> Alerts:
    """The alerts service with this dead letter."""
    alerts = Alerts()
    alerts.arrives(arrival)
    return alerts


def names(events: Iterable[object]) -> list[str]:
    """The names of events."""
    return [type(event).__name__ for event in events]
