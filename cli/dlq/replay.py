"""Sends dead letters once more, at a rate, and hears what becomes of each."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cli.staff import typed
from services.alerts.model import DeadLetter
from shared.client import CheckoutClient
from shared.client.staff import Replayed, redrive
from shared.contract.alerts import RedriveDeadLetter

AT_ONCE, BYTES_AT_ONCE = 256, 64_000_000
"""Dead letters, and bytes of them, under way at the same time."""


@dataclass(frozen=True)
class Redriving:
    """Who redrives and why; ``rate``: dead letters a second; ``timeout``: seconds to wait for what becomes of each."""

    by: str
    why: str
    parked: bool
    rate: float
    timeout: float

    def command(self, letter: DeadLetter) -> RedriveDeadLetter:
        """The command for one dead letter. Raises ``UsageError`` where who or why cannot be so."""
        return typed(RedriveDeadLetter, letter_id=letter.letter_id, by=self.by, why=self.why, parked=self.parked)


async def replay(
    client: CheckoutClient, letters: Sequence[DeadLetter], how: Redriving, heard: Callable[[Replayed], None]
) -> list[Replayed]:
    """Redrive these, in their order; ``heard`` is called with what became of each as soon as that is known."""
    commands = [how.command(letter) for letter in letters]
    largest = max((letter.size for letter in letters), default=0)
    slots = asyncio.Semaphore(max(1, min(AT_ONCE, BYTES_AT_ONCE // max(largest, 1))))
    started = time.monotonic()

    async def one(command: RedriveDeadLetter) -> Replayed:
        try:
            replayed = await redrive(client, command, how.timeout)
        finally:
            slots.release()
        heard(replayed)
        return replayed

    async with asyncio.TaskGroup() as group:
        tasks = []
        for number, command in enumerate(commands):
            await asyncio.sleep(max(0.0, started + number / how.rate - time.monotonic()))
            await slots.acquire()
            tasks.append(group.create_task(one(command)))
    return [task.result() for task in tasks]
