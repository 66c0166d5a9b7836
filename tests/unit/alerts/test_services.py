"""Whose metrics are looked at, and what is read of them."""

import pytest

from services.alerts.watchdog.services import Outbox, addresses, read
from shared.settings import SettingsError

SAID = """# HELP quadrille_outbox_depth Records committed and not yet published
# TYPE quadrille_outbox_depth gauge
quadrille_outbox_depth{service="cart"} 17.0
# TYPE quadrille_outbox_age_seconds gauge
quadrille_outbox_age_seconds{service="cart"} 42.5
# TYPE quadrille_outbox_set_aside gauge
quadrille_outbox_set_aside{service="cart"} 2.0
# TYPE quadrille_topic_refuses gauge
quadrille_topic_refuses{service="cart",topic="order.redrive"} 0.0
quadrille_topic_refuses{service="cart",topic="cart.events"} 1.0
quadrille_messages_handled_total{service="cart",type="OpenCart"} 7.0
"""


def test_services_are_named_with_their_addresses() -> None:
    named = addresses("cart=http://127.0.0.1:1/, order=https://order.shop:8080,")
    assert named == {"cart": "http://127.0.0.1:1", "order": "https://order.shop:8080"}
    assert addresses("") == {}


@pytest.mark.parametrize("named", ["cart", "cart=127.0.0.1:1", "=http://a", "cart:http://a"])
def test_what_is_no_such_list_is_refused(named: str) -> None:
    with pytest.raises(SettingsError, match="WATCHED_SERVICES is a list such as"):
        addresses(named)


def test_the_outbox_and_whether_a_service_is_ready_are_read_from_the_metrics() -> None:
    assert read(SAID) == (Outbox(17, 42.5, 2, ("cart.events",)), True)
    assert read("something_else 1\n") == (Outbox(), True)
    assert read('quadrille_healthy{service="cart"} 0.0\n') == (Outbox(), False)
    assert read('quadrille_healthy{service="cart"} 1.0\n') == (Outbox(), True)
