"""Which services are watched."""

import pytest

from services.alerts.watchdog.services import addresses
from shared.settings import SettingsError


def test_services_are_named_with_their_addresses() -> None:
    named = addresses("cart=http://127.0.0.1:1/, order=https://order.shop:8080,")
    assert named == {"cart": "http://127.0.0.1:1", "order": "https://order.shop:8080"}
    assert addresses("") == {}


@pytest.mark.parametrize("named", ["cart", "cart=127.0.0.1:1", "=http://a", "cart:http://a"])
def test_an_invalid_list_of_services_is_refused(named: str) -> None:
    with pytest.raises(SettingsError, match="WATCHED_SERVICES is a list such as"):
        addresses(named)
