"""Alerts contain no card numbers."""

from services.alerts.arrivals import Arrival, fault_of
from services.alerts.failures import stuck_money
from shared.contract.dead_letter import failure_headers
from shared.contract.payment import VoidFailed
from tests.support.clock import NOW
from tests.support.facts import a


def test_neither_a_dead_letter_nor_its_alert_has_a_card_number() -> None:
    """Another producer may have written the failure, or an older version of ours."""
    said = "no token 4111 1111 1111 1111"
    why = failure_headers("cart", "read", "shop.cart.commands", 3, 17, "UnreadableError", "odd", NOW)
    why = [(name, said.encode() if name.endswith("exception.message") else value) for name, value in why]
    fault = fault_of(Arrival(3, 0, 1_000, b"key", b"x", why))
    assert fault.reason == "no token [card number]"
    assert "1111" not in stuck_money(a(VoidFailed, reason=said), "e1").text
