"""Waiting ends when its time is over, and nobody who is cancelled goes on."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from shared.timeouts import backoff, run_with_timeout, wait_for_event

LONG = 60.0


async def told(event: asyncio.Event) -> str:
    """Work that is done when something happens."""
    await event.wait()
    return "done"


async def deaf(event: asyncio.Event) -> str:
    """Work that takes a cancellation from outside for one of its own."""
    try:
        await event.wait()
    except asyncio.CancelledError:
        return "gone on"
    return "done"


async def test_what_the_work_returns_is_returned_and_what_it_raises_is_raised() -> None:
    async def fails() -> None:
        raise LookupError("gone")

    event = asyncio.Event()
    event.set()
    assert await run_with_timeout(LONG, told(event)) == "done"
    with pytest.raises(LookupError, match="gone"):
        await run_with_timeout(LONG, fails())


@pytest.mark.parametrize("work", [told, deaf])
async def test_work_that_takes_too_long_is_cancelled(work: Callable[[asyncio.Event], Coroutine[Any, Any, str]]) -> None:
    with pytest.raises(TimeoutError):
        await run_with_timeout(0.01, work(asyncio.Event()))
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_whether_an_event_happened_is_told() -> None:
    event = asyncio.Event()
    assert not await wait_for_event(event, 0.01)
    event.set()
    assert await wait_for_event(event, LONG)


@pytest.mark.parametrize(
    "wait",
    [
        lambda event: wait_for_event(event, LONG),
        lambda event: run_with_timeout(LONG, told(event)),
        lambda event: run_with_timeout(LONG, deaf(event)),
    ],
    ids=["event", "work", "deaf work"],
)
@pytest.mark.parametrize("steps", range(4))
async def test_whoever_is_cancelled_is_even_as_it_is_over(wait: Callable[[asyncio.Event], Awaitable[Any]], steps: int) -> None:
    """However many steps of the loop lie between the end of what is waited for and the cancellation."""
    event = asyncio.Event()

    async def waits() -> None:
        await wait(event)
        await asyncio.sleep(LONG)

    waiting = asyncio.create_task(waits())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    event.set()
    for _ in range(steps):
        await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        async with asyncio.timeout(5):
            await waiting
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_whoever_is_cancelled_while_nothing_happens_is_at_once() -> None:
    for work in (wait_for_event(asyncio.Event(), LONG), run_with_timeout(LONG, deaf(asyncio.Event()))):
        waiting = asyncio.create_task(work)
        await asyncio.sleep(0.01)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting


def test_a_back_off_doubles_up_to_its_longest_and_is_never_the_same_for_all() -> None:
    for attempt, longest in ((0, 0.1), (1, 0.2), (4, 1.6), (5, 2.0), (10_000, 2.0)):
        waits = {backoff(attempt, 2.0) for _ in range(100)}
        assert longest / 2 <= min(waits) < max(waits) <= longest
        assert len(waits) > 50
