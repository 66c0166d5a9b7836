"""Group commits: all together, and a culprit alone."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from devstack.sandbox.commits import GroupCommit
from devstack.sandbox.ledger import Ledger


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path / "ledger.db")
    yield ledger
    ledger.close()


def strike(ledger: Ledger) -> int:
    ledger.count_fault("someone", "something")
    return ledger.fault_count("someone", "something")


def fail(ledger: Ledger) -> int:
    ledger.count_fault("someone", "something")
    raise LookupError("on purpose")


async def test_work_is_done_in_order_and_each_gets_its_own_result(ledger: Ledger) -> None:
    commits = GroupCommit(ledger)
    assert await asyncio.gather(*(commits.run(strike) for _ in range(1200))) == list(range(1, 1201))
    await commits.close()


async def test_work_that_raises_spoils_nothing_but_its_own(ledger: Ledger, tmp_path: Path) -> None:
    commits = GroupCommit(ledger)
    results = await asyncio.gather(*(commits.run(work) for work in (strike, fail, strike)), return_exceptions=True)
    assert (results[0], results[2]) == (1, 2)
    assert isinstance(results[1], LookupError)
    await commits.close()
    reader = Ledger(tmp_path / "ledger.db", read_only=True)
    assert reader.fault_count("someone", "something") == 2
    reader.close()


async def test_a_caller_that_goes_away_leaves_its_work_to_be_done(ledger: Ledger) -> None:
    commits = GroupCommit(ledger)
    gone = asyncio.create_task(commits.run(strike))
    await asyncio.sleep(0)
    gone.cancel()
    assert await commits.run(strike) == 2
    await commits.close()
