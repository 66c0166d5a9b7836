"""The table of steps against the real reactions: whatever comes next was waited for, and what is over waits for nothing."""

import random
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from services.payment.answers import GatewayAnswered
from shared.contract.cart import CheckoutStarted
from shared.contract.envelope import Envelope
from shared.contract.message import Command
from shared.contract.payment import RetryRefund, RetryVoid
from shared.progress import KINDS, STEPS, Pace, Step, standing
from shared.runtime.reactions import Due, Reaction
from tests.simulation.bank import Bank
from tests.simulation.test_seeds import shop, story
from tests.simulation.world import World

RETRIES = {"VoidFailed": RetryVoid, "RefundFailed": RetryRefund}
UNFORESEEN = {"PaymentVoided", "PaymentRefunded", "VoidFailed", "RefundFailed"}
"""May follow a declined payment whose hold was in doubt: the decline does not say that there was any doubt."""


class Watched(World):
    """A world in which every event is held against what its checkout waited for."""

    def __init__(self, seed: int, bank: Bank) -> None:
        super().__init__(seed, bank)
        self.seen: dict[str, dict[str, datetime]] = defaultdict(dict)
        self.surprises: list[str] = []
        self.answered: set[str] = set()

    def _run(self, name: str, reaction: Reaction, trigger: Any, envelope: Envelope | None) -> None:
        before = len(self.log)
        super()._run(name, reaction, trigger, envelope)
        for event in self.log[before:]:
            kind, checkout_id = type(event).__name__, getattr(event, "checkout_id", None)
            if kind in KINDS and checkout_id:
                self._judge(kind, checkout_id, trigger)
                self.seen[checkout_id][kind] = self.now

    def _judge(self, kind: str, checkout_id: str, trigger: Any) -> None:
        seen = self.seen[checkout_id]
        steps = {step.name for step in STEPS if KINDS[kind] in step.answers and open_or_moot(step, seen)}
        self.answered |= steps
        asked_for = isinstance(trigger, Command | Due)
        in_doubt = kind in UNFORESEEN and "PaymentDeclined" in seen and isinstance(trigger, GatewayAnswered)
        next_attempt = kind == "ReservationReleased" and isinstance(trigger, CheckoutStarted)
        if not (steps or kind in seen or asked_for or in_doubt or next_attempt):
            self.surprises.append(f"{kind} of {checkout_id} after {trigger!r}: {sorted(seen)}")


def open_or_moot(step: Step, seen: Mapping[str, datetime]) -> bool:
    """Whether the step is on, or would be but for a moot event: what is moot may still come, and need not."""
    moot = {kind.__name__ for kind in step.moot}
    return any(waiting.step is step for waiting in standing({k: at for k, at in seen.items() if k not in moot}).waits)


def try_again(world: Watched) -> None:
    """Staff have every void and refund tried once more that failed."""
    world.now += timedelta(minutes=1)
    for checkout_id, seen in world.seen.items():
        about = {"cart_id": checkout_id.rpartition(".")[0], "checkout_id": checkout_id, "by": "staff", "why": "again"}
        world.send(*(retry(**about) for failed, retry in RETRIES.items() if failed in seen))
    world.settle(hours=48)


def test_what_comes_next_was_waited_for_and_at_the_end_nothing_is() -> None:
    answered: set[str] = set()
    for seed in range(150):
        chance = random.Random(seed)
        world = Watched(seed, Bank(seed, chance.choice((0.0, 0.3))))
        shop(world, stock=chance.choice((2, 3, 20)))
        story(world, chance)
        try_again(world)
        assert not world.surprises, f"seed {seed}: {world.surprises}"
        for checkout_id, seen in world.seen.items():
            left = [w.step.name for w in standing(seen).waits if w.step.pace is not Pace.PERSON]
            assert not left, f"seed {seed}, {checkout_id}: {left} after {sorted(seen, key=seen.__getitem__)}"
        answered |= world.answered
    assert answered == {step.name for step in STEPS if step.pace is not Pace.PERSON}
