"""Every scenario of the demonstration, from outside: commands in, events out, through Kafka only."""

import asyncio

import pytest

from devstack.demo.scenarios import SCENARIOS, Scenario
from devstack.demo.shop import Shop, card
from shared.contract.cart import AddItem, CartChanged, CheckoutCompleted, CheckoutConfirmed
from shared.contract.rejection import CommandRejected


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.run.__name__)
async def test_scenario(scenario: Scenario, shop: Shop) -> None:
    assert await scenario.run(shop)


async def test_the_refusal_of_another_tab_is_not_how_a_confirmation_ends(shop: Shop) -> None:
    sku = await shop.product(stock=1)
    cart_id = await shop.cart(sku)
    await shop.prepare(cart_id, card("tok_slow_authorize_2"))
    confirming = asyncio.create_task(shop.client.confirm(cart_id))
    await shop.client.wait_for(cart_id, CheckoutConfirmed)
    refused = await shop.client.ask(AddItem(cart_id=cart_id, sku=sku), (CartChanged,))
    assert isinstance(refused, CommandRejected)
    twice = await asyncio.gather(confirming, shop.client.confirm(cart_id))
    assert [type(outcome) for outcome in twice] == [CheckoutCompleted, CheckoutCompleted]
