"""Processes that die, that stand still and come back as zombies, and members that come and go in storms."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from typing import Final

import psutil

from proofs.chaos.faults.kinds import Begin
from proofs.chaos.schedule import Kind
from proofs.chaos.world import World
from shared.contract.services import DATABASES
from shared.timeouts import wait_for_event

FAMILY: Final = "processes"
MEMBERS: Final = 3
"""How many more come and go in a storm."""
STAY_SECONDS: Final = 2.0


def kinds(world: World) -> dict[Kind, Begin]:
    """The kinds of this family. A zombie sleeps for longer than a session of the group lasts (10 s)."""
    return {
        Kind(FAMILY, "SIGKILL", (*DATABASES, "gateway"), (0.0, 2.0)): kill,
        Kind(FAMILY, "zombie", DATABASES, (12.0, 16.0)): zombie,
        Kind(FAMILY, "storm of members", DATABASES, (8.0, 14.0)): storm,
    }


@contextlib.asynccontextmanager
async def kill(world: World, target: str) -> AsyncIterator[None]:
    """The process is killed; whoever supervises it starts it again."""
    _signal(await world.programs[target].process(), signal.SIGKILL)
    yield


@contextlib.asynccontextmanager
async def zombie(world: World, target: str) -> AsyncIterator[None]:
    """The process stands still until others have its work, and then goes on as if nothing had been."""
    process = await world.programs[target].process()
    other = world.another(target)
    other.start()
    try:
        _signal(process, signal.SIGSTOP)
        yield
    finally:
        _signal(process, signal.SIGCONT)
        await asyncio.sleep(STAY_SECONDS)  # two that both think the partitions are theirs
        await other.stop()


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):  # the other fault of a pair may have been its end
        process.send_signal(number)


@contextlib.asynccontextmanager
async def storm(world: World, target: str) -> AsyncIterator[None]:
    """More instances come and go, one after the other, so that the group hardly settles."""

    over = asyncio.Event()

    async def come_and_go(delay: float) -> None:
        await wait_for_event(over, delay)
        while not over.is_set():
            other = world.another(target)
            other.start()
            try:
                await wait_for_event(over, MEMBERS * STAY_SECONDS)
            finally:
                await other.stop()

    coming = [asyncio.create_task(come_and_go(n * STAY_SECONDS)) for n in range(MEMBERS)]
    try:
        yield
    finally:
        over.set()  # and no cancellation: one that is being stopped would be left behind
        await asyncio.gather(*coming, return_exceptions=True)
