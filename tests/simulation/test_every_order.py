"""Small cases, one for each of the races: every order of deliveries comes out right."""

import pytest

from simulation.cases import CASES, Case
from simulation.explore import explore
from simulation.watch import BrokenError
from tests.simulation.flaws import FLAWS


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.name))
def test_every_order_comes_out_right(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    found = explore(case.before, case.at_once, case.budget)
    with capsys.disabled():
        print(f"\n{case.name}: {found.orders:,} orders of deliveries through {found.states:,} states", end=" ")  # noqa: T201
    assert found.orders >= found.ends >= 1


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
    (small,) = (it for it in CASES if it.name == case)
    with pytest.raises(BrokenError):
        explore(small.before, small.at_once, small.budget)
