"""Any message may become a dead letter and be redriven days later, when the story has long gone on: nothing breaks."""

import random
from collections import Counter
from dataclasses import replace

from shared.contract.envelope import Envelope
from shared.contract.message import Message
from tests.simulation.bank import Bank
from tests.simulation.invariants import check
from tests.simulation.test_seeds import shop, story
from tests.simulation.world import World

SEEDS = 400
NOT_IN_THE_STORIES = {
    "cart.PreviewCheckout", "cart.ProductDelisted", "cart.ProductListed", "cart.ProductPriceChanged", "cart.RemoveCoupon",
    "cart.RemoveItem", "cart.SetQuantity", "inventory.AdjustStock", "inventory.CheckoutChanged", "inventory.ReceiveStock",
    "order.DefineCoupon", "order.PreviewRequested", "order.ReservationLost", "payment.MarkPaid", "payment.MarkRefunded",
    "payment.MarkVoided", "payment.RetryRefund", "payment.RetryVoid",
}  # fmt: skip


class Failing(World):
    """A world in which ``dying`` of the deliveries become dead letters."""

    def __init__(self, seed: int, bank: Bank, dying: float) -> None:
        super().__init__(seed, bank)
        self.dying = dying
        self.letters: list[tuple[str, Envelope, Message]] = []
        self.redriven: Counter[str] = Counter()
        self._offsets: Counter[str] = Counter()

    def _publish(self, topic: str, envelope: Envelope, message: Message) -> None:
        self._offsets[topic] += 1
        super()._publish(topic, replace(envelope, offset=self._offsets[topic]), message)

    def _deliver(self, key: tuple[str, str, str]) -> None:
        if self.random.random() < self.dying:
            self.letters.append((key[0], *self._queues[key].popleft()))
        else:
            super()._deliver(key)

    def step(self) -> bool:
        """Once in a while somebody redrives a dead letter."""
        if self.letters and self.random.random() < 0.02:
            self.redrive(self.letters.pop(self.random.randrange(len(self.letters))))
        return super().step()

    def redrive(self, letter: tuple[str, Envelope, Message]) -> None:
        """Only the service that failed hears it, and its inbox holds."""
        name, envelope, message = letter
        self.redriven[f"{name}.{type(message).__name__}"] += 1
        if envelope.id not in self.dancers[name].inbox:
            self.dancers[name].inbox.add(envelope.id)
            self._react(name, message, replace(envelope, redriven=True))

    def redrive_all(self) -> None:
        """In any order, each when all that followed from the one before is over."""
        self.dying = 0.0
        while self.letters:
            self.redrive(self.letters.pop(self.random.randrange(len(self.letters))))
            self.settle(hours=self.random.choice((0, 1, 48)))


def test_the_invariants_hold_when_all_is_redriven_at_last() -> None:
    redriven: Counter[str] = Counter()
    for seed in range(SEEDS):
        chance = random.Random(seed)
        world = Failing(seed, Bank(seed, 0.1), 0.0)
        shop(world, stock=chance.choice((2, 3, 20)))
        world.dying = chance.choice((0.02, 0.2))
        story(world, chance)
        world.redrive_all()
        redriven += world.redriven
        try:
            check(world)
        except AssertionError as broken:
            raise AssertionError(f"seed {seed}, some dying: {broken}") from broken
    there_are = {f"{name}.{m.__name__}" for name, dancer in world.dancers.items() for m in dancer.reactions.messages.values()}
    assert there_are - redriven.keys() <= NOT_IN_THE_STORIES
