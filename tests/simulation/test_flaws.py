"""The simulation finds bugs: each of those planted is found within so many stories."""

import pytest

from proofs.simulation.coverage import Coverage
from proofs.simulation.run import first_wrong
from tests.simulation.flaws import FLAWS

STORIES = 1_000


def test_there_are_enough_of_them() -> None:
    assert len(FLAWS) >= 20


@pytest.mark.parametrize("name", FLAWS)
def test_a_planted_bug_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    FLAWS[name](monkeypatch)
    assert first_wrong(range(STORIES), Coverage()) is not None, f"{name} is not found in {STORIES} stories"
