"""Every scenario of the demonstration, from outside: commands in, events out, through Kafka only."""

import pytest

from devstack.demo.scenarios import SCENARIOS, Scenario
from devstack.demo.shop import Shop


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.run.__name__)
async def test_scenario(scenario: Scenario, shop: Shop) -> None:
    assert await scenario.run(shop)
