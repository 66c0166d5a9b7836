"""The simulation finds bugs: each of those planted is found within so many stories."""

import pytest

from proofs.simulation.cases import CASES
from proofs.simulation.coverage import Coverage
from proofs.simulation.explore import explore
from proofs.simulation.run import first_wrong
from proofs.simulation.watch import BrokenError
from proofs.tests.simulation.flaws import FLAWS

STORIES = 1_000


def test_there_are_enough_of_them() -> None:
    assert len(FLAWS) >= 20


@pytest.mark.parametrize("name", FLAWS)
def test_a_planted_bug_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    FLAWS[name](monkeypatch)
    assert first_wrong(range(STORIES), Coverage()) is not None, f"{name} is not found in {STORIES} stories"


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
    small = CASES[case]
    with pytest.raises(BrokenError):
        explore(small.before, small.at_once, small.budget)
