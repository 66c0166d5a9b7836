"""Small cases, one for each of the races: every order of deliveries comes out right."""

from collections.abc import Callable
from functools import cache

import pytest

from proofs.simulation.cases import CASES, Case
from proofs.simulation.explore import Explored, explore
from proofs.simulation.races import AWAY, FENCED, RACES, TWICE, UNREADABLE
from proofs.simulation.watch import BrokenError
from tests.simulation.flaws import FLAWS

OF_THE_INFRASTRUCTURE = {TWICE, FENCED, UNREADABLE, AWAY}


@cache
def explored(name: str) -> Explored:
    """What every order of a case leads to."""
    case = named(name)
    return explore(case.before, case.at_once, case.budget)


def named(name: str) -> Case:
    (case,) = (case for case in CASES if case.name == name)
    return case


@pytest.mark.parametrize("name", [case.name for case in CASES])
def test_every_order_comes_out_right(name: str, record_property: Callable[[str, object], None]) -> None:
    found = explored(name)
    record_property(name, f"{found.orders:,} orders of deliveries through {found.states:,} states")
    assert found.orders >= found.ends >= 1


def test_each_race_of_the_table_is_among_them() -> None:
    assert set().union(*(explored(case.name).races for case in CASES)) == set(RACES) - OF_THE_INFRASTRUCTURE


@pytest.mark.parametrize(
    ("flaw", "case"),
    [
        ("a cancellation forgotten while the capture is in flight", "cancelled at any moment"),
        ("a capture that confirms a cancelled order", "cancelled at any moment"),
        ("a void where a refund is due", "cancelled at any moment"),
        ("expired units that are not taken anew", "units that expire at any moment"),
        ("a timeout taken for a refusal", "the gateway fails twice"),
        ("totals with one half missing", "a checkout that goes right"),
    ],
)
def test_some_order_shows_a_planted_bug(flaw: str, case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    FLAWS[flaw](monkeypatch)
    small = named(case)
    with pytest.raises(BrokenError):
        explore(small.before, small.at_once, small.budget)
