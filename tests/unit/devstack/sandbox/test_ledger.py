"""What the ledger remembers and forgets, and its group commits: all together, and a culprit alone."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from devstack.sandbox.commits import GroupCommit
from devstack.sandbox.intents import Intent
from devstack.sandbox.ledger import Ledger, StoredAnswer

ANSWER = StoredAnswer(b"what", 200, b"{}")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path / "ledger.db")
    yield ledger
    ledger.close()


def test_answers_are_forgotten_when_they_are_old(ledger: Ledger) -> None:
    for second in range(10):
        ledger.keep_answer(f"key-{second}", ANSWER, float(second))
    assert ledger.answer("key-4", not_before=4.0) is None
    assert ledger.answer("key-5", not_before=4.0) == ANSWER
    assert [ledger.forget_answers(4.0, most=3) for _ in range(3)] == [3, 2, 0]
    assert ledger.answer("key-4", not_before=0.0) is None
    assert ledger.answer("key-5", not_before=0.0) == ANSWER


def test_pages_count_the_charges_of_each_reference(ledger: Ledger) -> None:
    for number, (reference, declined) in enumerate([("a", None), ("b", "expired_card"), ("a", None), ("b", None)]):
        ledger.add(Intent(f"pi_{number}", reference, "tok_approve", "", 5, "JPY", 0, 9, 0, declined=declined))
    assert [(seq, charges, intent.id) for seq, charges, intent in ledger.page(1, 2)] == [
        (2, 1, "pi_1"),
        (3, 2, "pi_2"),
    ]
    assert [intent.id for intent in ledger.with_reference("a")] == ["pi_2", "pi_0"]


def test_a_payment_is_read_as_it_was_written(ledger: Ledger) -> None:
    intent = Intent("pi_1", "a", "tok_approve", "two books", 10**15, "KWD", 1.5, 9.5, 1.5)
    ledger.add(intent)
    assert ledger.find("pi_1") == intent
    ledger.update(after := intent.capture(3, 2.0).refund(1, 3.0))
    assert ledger.find("pi_1") == after
    ledger.update(begun := after.begin_refund(1, 4.0, 5.0, failing=True))
    assert ledger.find("pi_1") == begun


@pytest.mark.parametrize("odd", [{"held": 500}, {"ready": 7.5}, {"challenged": True}])
def test_what_is_odd_about_a_payment_is_kept(ledger: Ledger, odd: dict[str, Any]) -> None:
    ledger.add(intent := Intent("pi_1", "a", "tok", "", 1000, "EUR", 1.5, 9.5, 1.5, **odd))
    assert ledger.find("pi_1") == intent


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
