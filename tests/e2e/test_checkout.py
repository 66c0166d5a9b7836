"""Every scenario of the demonstration, from outside: commands in, events out, through Kafka only."""

import pytest

from cli.demo.scenarios import SCENARIOS, Scenario
from cli.demo.shop import Shop


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.run.__name__)
async def test_scenario(scenario: Scenario, shop: Shop) -> None:
    assert await scenario.run(shop)
