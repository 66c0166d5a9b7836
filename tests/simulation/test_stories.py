"""The stories the documents tell are those that happen."""

import pytest

from devstack.reference import stories
from devstack.reference.diagrams import Story
from proofs.simulation.cases import shop, started
from proofs.simulation.gateway import FakeGateway
from proofs.simulation.world import World
from shared.contract.cart import AddItem, ConfirmCheckout, OpenCart

TOKENS = {
    stories.HAPPY: "ok",
    stories.DECLINED: "decline_authorize",
    stories.COMPENSATED: "refuse_capture",
    stories.STUCK: "refuse_capture+refuse_void",
}


@pytest.mark.parametrize("story", stories.STORIES, ids=lambda story: str(story.title))
def test_a_story_tells_all_that_follows_the_confirmation(story: Story) -> None:
    world = World(seed=1, gateway=FakeGateway(1, failing=0.0))
    world.send(*shop(10))
    world.send(OpenCart(cart_id="c", currency="EUR", customer_id="k"))
    world.settle()
    world.send(AddItem(cart_id="c", sku="tea", quantity=1))
    world.settle()
    for command in started("c", TOKENS[story]):
        world.send(command)
        world.settle()
    before = len(world.log)
    world.send(ConfirmCheckout(cart_id="c"))
    world.settle()
    happened = [type(message) for message in world.log[before:]]
    assert story.messages[0] is ConfirmCheckout
    assert sorted(kind.__name__ for kind in happened) == sorted(kind.__name__ for kind in story.messages[1:])
