"""Two minutes of faults on a stack of its own, by a fixed seed: whatever happens, everything comes out right."""

from pathlib import Path

import pytest

from tests.support import stacks
from tests.support.cli import process

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.skipif(stacks.chosen() != "embedded", reason="it starts an embedded stack of its own"),
]


async def test_nothing_is_wrong_after_two_minutes_of_faults(tmp_path: Path) -> None:
    stacks.link_jars(tmp_path)
    ran = await process({}, "chaos", "--minutes", "2", "--seed", "55", "--rate", "3", "--state", str(tmp_path), "--json")
    assert ran.code in (0, 1), ran
    report = ran.json
    assert report["violations"] == [], ran.err.decode()
    assert ran.code == 0
    assert len(report["injections"]) >= 5
    assert all(injection["seconds"] is not None for injection in report["injections"])
    assert report["checkouts"]["confirmed, payment captured"] > 0
