"""Two minutes of faults on a stack of its own, by a fixed seed: whatever happens, everything comes out right."""

from pathlib import Path

import pytest

from tests.support import stacks
from tests.support.cli import process

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.skipif(stacks.chosen() != "embedded", reason="it starts an embedded stack of its own"),
]
JARS = stacks.ROOT / ".quadrille" / "tests" / "kafka" / "jars"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A folder with the jars the other tests use, where they are there already."""
    if JARS.exists():
        (tmp_path / "kafka").mkdir()
        (tmp_path / "kafka" / "jars").symlink_to(JARS)
    return tmp_path


async def test_nothing_is_wrong_after_two_minutes_of_faults(state: Path) -> None:
    ran = await process({}, "chaos", "--minutes", "2", "--seed", "55", "--rate", "3", "--state", str(state), "--json")
    assert ran.code in (0, 1), ran
    report = ran.json
    assert report["violations"] == [], ran.err.decode()
    assert ran.code == 0
    assert len(report["strikes"]) >= 5
    assert all(strike["seconds"] is not None for strike in report["strikes"])
    assert report["checkouts"]["confirmed, payment captured"] > 0
