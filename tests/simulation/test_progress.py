"""The table of steps against the real reactions: whatever comes next was waited for, and what is over waits for nothing."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest

from proofs.simulation.gateway import FakeGateway
from proofs.simulation.service import Service
from proofs.simulation.story import Inject
from proofs.simulation.workload import generate
from proofs.simulation.world import World
from services.payment.answers import GatewayAnswered
from shared.contract.cart import CheckoutChanged, CheckoutStarted
from shared.contract.message import Command
from shared.contract.order import OrderCreated
from shared.contract.payment import RetryRefund, RetryVoid
from shared.contract.values import cart_of
from shared.progress import KINDS, STEPS, Pace, Step, status_of
from shared.runtime.reactions import TimerFired

STORIES = 150
RETRIES = {"VoidFailed": RetryVoid, "RefundFailed": RetryRefund}
UNFORESEEN = {"PaymentVoided", "PaymentRefunded", "VoidFailed", "RefundFailed"}
"""May follow a declined payment whose authorization was in doubt: the decline does not say that there was any doubt."""


class Waiting:
    """What the checkouts of a world have seen, and what came that none of them waited for."""

    def __init__(self) -> None:
        self.seen: dict[str, dict[str, datetime]] = defaultdict(dict)
        self.surprises: list[str] = []
        self.answered: set[str] = set()

    def see(self, event: Any, trigger: Any, now: datetime) -> None:
        """An event was committed because of ``trigger``."""
        kind, checkout_id = type(event).__name__, getattr(event, "checkout_id", None)
        if kind in KINDS and checkout_id:
            self._judge(kind, checkout_id, trigger)
            self.seen[checkout_id][kind] = now

    def _judge(self, kind: str, checkout_id: str, trigger: Any) -> None:
        seen = self.seen[checkout_id]
        steps = {step.name for step in STEPS if KINDS[kind] in step.answers and open_or_moot(step, seen)}
        self.answered |= steps
        asked_for = isinstance(trigger, Command | TimerFired | CheckoutChanged)
        in_doubt = kind in UNFORESEEN and "PaymentDeclined" in seen and isinstance(trigger, GatewayAnswered)
        next_attempt = kind == "ReservationReleased" and isinstance(trigger, CheckoutStarted)
        not_allocated = kind == "ReservationLost" and isinstance(trigger, OrderCreated)  # where it succeeds, nothing is said
        if not (steps or kind in seen or asked_for or in_doubt or next_attempt or not_allocated):
            self.surprises.append(f"{kind} of {checkout_id} after {trigger!r}: {sorted(seen)}")


def open_or_moot(step: Step, seen: Mapping[str, datetime]) -> bool:
    """Whether the step is on, or would be but for a moot event: what is moot may still come, and need not."""
    moot = {kind.__name__ for kind in step.moot}
    return any(waiting.step is step for waiting in status_of({k: at for k, at in seen.items() if k not in moot}).waits)


def play(seed: int, waiting: Waiting, monkeypatch: pytest.MonkeyPatch) -> None:
    """A story without faults but those of the gateway; then staff tries every void and refund again that failed."""
    usual = Service._react

    def react(self: Service, member: Any, cause: Any, trigger: Any, rows: list[Any]) -> Any:
        before = len(rows)
        own = usual(self, member, cause, trigger, rows)
        for row in rows[before:]:
            waiting.see(row.message, trigger, self.env.now)
        return own

    story = generate(seed)
    with monkeypatch.context() as patch:
        patch.setattr(Service, "_react", react)
        world = World(seed, FakeGateway(seed, *story.faults))
        for action in story.actions:
            if not isinstance(action, Inject):
                action.play(world)
        world.settle(hours=48)
        world.now += timedelta(minutes=1)
        for checkout_id, seen in list(waiting.seen.items()):
            about = {"cart_id": str(cart_of(checkout_id)), "checkout_id": checkout_id, "by": "staff", "why": "again"}
            world.send(*(retry(**about) for failed, retry in RETRIES.items() if failed in seen))
        world.rest()


def test_what_comes_next_was_waited_for_and_at_the_end_nothing_is(monkeypatch: pytest.MonkeyPatch) -> None:
    answered: set[str] = set()
    for seed in range(STORIES):
        waiting = Waiting()
        play(seed, waiting, monkeypatch)
        assert not waiting.surprises, f"seed {seed}: {waiting.surprises}"
        for checkout_id, seen in waiting.seen.items():
            left = [w.step.name for w in status_of(seen).waits if w.step.pace is not Pace.PERSON]
            assert not left, f"seed {seed}, {checkout_id}: {left} after {sorted(seen, key=seen.__getitem__)}"
        answered |= waiting.answered
    assert answered == {step.name for step in STEPS}
