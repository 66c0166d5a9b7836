"""No reaction is left without a test: the session itself is the record."""

from pathlib import Path

import pytest

from shared.contract.services import REDRIVABLE
from tests.support.solo import PLAYED, Solo

HERE = Path(__file__).parent


@pytest.mark.last
def test_every_reaction_was_played_alone(request: pytest.FixtureRequest) -> None:
    played_from = {path for service in REDRIVABLE for path in (HERE / service).glob("test_*.py")}
    if not played_from <= {item.path for item in request.session.items} or request.config.getoption("keyword"):
        pytest.skip("only a part of the tests of reactions was asked for")
    there_are = {(service, reaction.name) for service in REDRIVABLE for reaction in Solo(service).reactions}
    assert there_are - PLAYED == set()
