"""The schedule of faults: the same for the same seed, with every kind in its turn."""

from collections import Counter
from itertools import pairwise

import pytest

from proofs.chaos.schedule import CALM_SECONDS, Injection, Kind, plan

KINDS = [Kind(f"family {n % 4}", f"kind {n}", (f"target {n % 4}", "shared"), (2.0, 6.0)) for n in range(12)]
HOUR = 3600.0


def test_the_same_seed_gives_the_same_schedule() -> None:
    assert plan(KINDS, 7, HOUR) == plan(KINDS, 7, HOUR)
    assert plan(KINDS, 7, HOUR) != plan(KINDS, 8, HOUR)


def test_a_shorter_run_is_the_beginning_of_a_longer_one() -> None:
    short, long = plan(KINDS, 7, 300.0), plan(KINDS, 7, HOUR)
    assert short == long[: len(short)]


@pytest.mark.parametrize("seed", range(20))
def test_every_kind_has_its_turn_before_one_comes_again(seed: int) -> None:
    count = Counter(fault.kind for injection in plan(KINDS, seed, HOUR) for fault in injection.faults)
    assert len(count) == len(KINDS)
    assert max(count.values()) - min(count.values()) <= 1


@pytest.mark.parametrize("seed", range(20))
def test_pairs_are_of_two_families_and_two_targets(seed: int) -> None:
    pairs = [injection.faults for injection in plan(KINDS, seed, HOUR) if len(injection.faults) == 2]
    family = {kind.name: kind.family for kind in KINDS}
    assert pairs
    for first, second in pairs:
        assert family[first.kind] != family[second.kind]
        assert first.target != second.target


@pytest.mark.parametrize("seed", range(20))
def test_one_injection_after_the_other_with_calm_between(seed: int) -> None:
    injections = plan(KINDS, seed, HOUR)

    def calm(before: Injection, after: Injection) -> float:
        return after.at - before.at - before.seconds

    assert all(calm(*two) >= CALM_SECONDS - 0.1 for two in pairwise(injections))
    assert injections[-1].at + injections[-1].seconds + CALM_SECONDS <= HOUR + 0.1
