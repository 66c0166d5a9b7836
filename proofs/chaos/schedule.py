"""Which faults come when: a function of the seed and of nothing else."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

FIRST_SECONDS: Final = 5.0
"""Load alone before the first fault."""
CALM_SECONDS: Final = 8.0
"""For the shop to recover in before the next fault; where it takes longer, all that follows comes later."""
PAIRS: Final = 1 / 3
"""How many of the injections are of two faults at once."""
APART_SECONDS: Final = 3.0
"""The second fault of a pair begins so long after the first at most."""


@dataclass(frozen=True)
class Kind:
    """A kind of fault: what it can be done to, and for how long (at least, at most)."""

    family: str
    name: str
    targets: tuple[str, ...]
    seconds: tuple[float, float]


@dataclass(frozen=True)
class Fault:
    """One fault. ``start``: seconds after the beginning of its injection."""

    kind: str
    target: str
    start: float
    seconds: float

    def __str__(self) -> str:
        return f"{self.kind} ({self.target}) for {self.seconds:g} s"


@dataclass(frozen=True)
class Injection:
    """One fault, or two at once. ``at``: seconds after the beginning of all, where nothing before it took longer."""

    at: float
    faults: tuple[Fault, ...]

    @property
    def seconds(self) -> float:
        """From the beginning of the first to the end of the last."""
        return max(fault.start + fault.seconds for fault in self.faults)

    def __str__(self) -> str:
        return f"{self.at:6.0f} s  {' and '.join(map(str, self.faults))}"


def plan(kinds: Sequence[Kind], seed: int, seconds: float) -> list[Injection]:
    """The injections of so many seconds. Every kind has its turn before one comes again."""
    chance = random.Random(seed)
    injections: list[Injection] = []
    deck: list[Kind] = []
    at = FIRST_SECONDS
    while True:
        if not deck:
            deck = chance.sample(kinds, len(kinds))
        injection = Injection(at, tuple(_faults(chance, deck)))
        at += round(injection.seconds + CALM_SECONDS, 1)
        if at > seconds:
            return injections
        injections.append(injection)


def _faults(chance: random.Random, deck: list[Kind]) -> list[Fault]:
    first = deck.pop()
    faults = [_fault(chance, first, first.targets, 0.0)]
    if chance.random() < PAIRS:
        for n, kind in enumerate(deck):
            others = tuple(target for target in kind.targets if target != faults[0].target)
            if kind.family != first.family and others:
                del deck[n]
                return [*faults, _fault(chance, kind, others, round(chance.uniform(0, APART_SECONDS), 1))]
    return faults


def _fault(chance: random.Random, kind: Kind, targets: Sequence[str], start: float) -> Fault:
    return Fault(kind.name, chance.choice(targets), start, round(chance.uniform(*kind.seconds), 1))
