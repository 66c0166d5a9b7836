"""Small cases, one for each of the races: every order of deliveries comes out right."""

from collections.abc import Callable
from functools import cache

import pytest

from proofs.simulation.cases import CASES
from proofs.simulation.explore import Explored, explore
from proofs.simulation.races import AWAY, FENCED, RACES, TWICE, UNREADABLE

OF_THE_INFRASTRUCTURE = {TWICE, FENCED, UNREADABLE, AWAY}


@cache
def explored(name: str) -> Explored:
    """What every order of a case leads to."""
    case = CASES[name]
    return explore(case.before, case.at_once, case.budget)


@pytest.mark.parametrize("name", CASES)
def test_every_order_comes_out_right(name: str, record_property: Callable[[str, object], None]) -> None:
    found = explored(name)
    record_property(name, f"{found.orders:,} orders of deliveries through {found.states:,} states")
    assert found.orders >= found.ends >= 1


def test_each_race_of_the_table_is_among_them() -> None:
    assert set().union(*(explored(name).races for name in CASES)) == set(RACES) - OF_THE_INFRASTRUCTURE
