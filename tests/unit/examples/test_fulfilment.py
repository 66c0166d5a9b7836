"""The fifth service ships what is confirmed."""

from examples.fulfilment.messages import ParcelShipped
from examples.fulfilment.model import Parcel
from shared.contract.order import OrderConfirmed
from tests.support.clock import NOW
from tests.support.facts import a
from tests.support.solo import Solo, only


def test_a_confirmed_order_is_shipped_once() -> None:
    fulfilment, confirmed = Solo("fulfilment", "examples"), a(OrderConfirmed)
    shipped = only(ParcelShipped, fulfilment.hear(confirmed))
    assert (shipped.cart_id, shipped.order_number) == (confirmed.cart_id, confirmed.order_number)
    assert fulfilment.own(Parcel, confirmed.checkout_id).shipped_at == NOW
    assert fulfilment.hear(confirmed, "m2") == []
