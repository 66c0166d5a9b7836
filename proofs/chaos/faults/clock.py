"""A service whose clock is wrong by about an hour."""

import contextlib
from collections.abc import AsyncIterator
from typing import Final

from proofs.chaos.faults.kinds import Begin
from proofs.chaos.schedule import Kind
from proofs.chaos.world import World
from shared.contract.services import DATABASES

FAMILY: Final = "clock"
WRONG_SECONDS: Final = 3700
"""A little more than the hour that a broker lets a record be ahead of its own clock."""

START_SECONDS: Final = 20.0
"""For the service to be at work before the fault counts; it may be kept from it by the other fault of a pair."""


def kinds(world: World) -> dict[Kind, Begin]:
    """The kinds of this family."""
    return {
        Kind(FAMILY, "clock an hour ahead", DATABASES, (8.0, 14.0)): _begin(WRONG_SECONDS),
        Kind(FAMILY, "clock an hour behind", DATABASES, (8.0, 14.0)): _begin(-WRONG_SECONDS),
    }


def _begin(seconds: int) -> Begin:
    @contextlib.asynccontextmanager
    async def begin(world: World, target: str) -> AsyncIterator[None]:
        service = world.programs[target]
        await service.stop()
        service.start(before=("proofs.chaos.wrong_clock", str(seconds)))
        try:
            await world.until_healthy(START_SECONDS, target)
            yield
        finally:
            await service.stop()
            service.start()

    return begin
