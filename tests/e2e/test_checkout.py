"""A checkout from outside: commands in, events out, through Kafka only."""

from shared.contract.cart import CartReopened, CheckoutCompleted
from shared.contract.order import OrderCancelled, OrderConfirmed
from shared.contract.payment import PaymentVoided
from tests.support.shop import CASH, Shop, card


async def test_a_cart_becomes_a_paid_order(shop: Shop) -> None:
    sku = await shop.product(stock=5)
    cart_id, outcome = await shop.check_out(sku)
    assert isinstance(outcome, CheckoutCompleted)
    confirmed = await shop.client.wait_for(cart_id, OrderConfirmed)
    assert (confirmed.payment, confirmed.total) == ("captured", 1490)
    assert confirmed.order_number == outcome.order_number


async def test_cash_on_delivery_is_confirmed_with_its_money_due(shop: Shop) -> None:
    sku = await shop.product(stock=1)
    cart_id, outcome = await shop.check_out(sku, payment=CASH)
    assert isinstance(outcome, CheckoutCompleted)
    assert (await shop.client.wait_for(cart_id, OrderConfirmed)).payment == "due"


async def test_after_a_declined_card_another_may_do(shop: Shop) -> None:
    sku = await shop.product(stock=1)
    cart_id, outcome = await shop.check_out(sku, payment=card("tok_decline_insufficient_funds"))
    assert isinstance(outcome, CartReopened)
    assert outcome.reasons[0].code == "insufficient_funds"
    await shop.prepare(cart_id)
    assert isinstance(await shop.client.confirm(cart_id), CheckoutCompleted)


async def test_when_the_capture_fails_the_order_is_cancelled_and_the_hold_released(shop: Shop) -> None:
    sku = await shop.product(stock=1)
    cart_id, outcome = await shop.check_out(sku, payment=card("tok_decline_capture"))
    assert isinstance(outcome, CartReopened)
    await shop.client.wait_for(cart_id, OrderCancelled)
    await shop.client.wait_for(cart_id, PaymentVoided)
