"""Waiting that ends: when its time is over, and at once for whoever is cancelled.

``asyncio.wait_for`` of Python 3.11 loses a cancellation that comes as what it waits for is done, and who was cancelled
goes on for ever; the linter refuses it.
"""

import asyncio
import random
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def backoff(attempt: int, longest: float, first: float = 0.1) -> float:
    """Seconds to wait after so many attempts (from 0): doubling from ``first`` to ``longest``, with jitter.

    Up to half of it is left to chance, so that those who wait for the same thing do not all come back at once.
    """
    return float(min(longest, first * 2 ** min(attempt, 30)) * random.uniform(0.5, 1))


async def run_with_timeout(seconds: float, work: Coroutine[Any, Any, T]) -> T:
    """What ``work`` returns, if it does in so many seconds; else it is cancelled. Raises ``TimeoutError``.

    The work has a task of its own, for there is some, in aiokafka, that takes a cancellation from outside for one of its
    own and goes on.
    """
    task = asyncio.create_task(work)
    try:
        done, _ = await asyncio.wait({task}, timeout=seconds)
    finally:
        if not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    if not done:
        raise TimeoutError
    return task.result()


async def wait_for_event(event: asyncio.Event, seconds: float) -> bool:
    """Wait for an event, so many seconds at most; returns whether it is set."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
