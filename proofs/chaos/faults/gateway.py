"""A payment gateway that is slow, fails, or answers when nobody listens any more."""

import contextlib
from collections.abc import AsyncIterator
from typing import Final

from proofs.chaos.faults.kinds import Begin
from proofs.chaos.schedule import Kind
from proofs.chaos.world import World

FAMILY: Final = "gateway"
RATES: Final = {
    "gateway slow": "slow=1:1",
    "gateway failing": "error=0.3,unavailable=0.3,rate_limit=0.2",
    "gateway answering too late": "timeout_after=0.4,timeout_before=0.1,slow=0.5:3",
}
"""The faults of the sandbox. Payment waits for an answer for two seconds."""


def kinds(world: World) -> dict[Kind, Begin]:
    """The kinds of this family."""
    return {Kind(FAMILY, name, ("gateway",), (8.0, 14.0)): _begin(rates) for name, rates in RATES.items()}


def _begin(rates: str) -> Begin:
    @contextlib.asynccontextmanager
    async def begin(world: World, target: str) -> AsyncIterator[None]:
        gateway = world.programs[target]
        await gateway.stop()
        gateway.start("--faults", rates)
        try:
            yield
        finally:
            await gateway.stop()
            gateway.start()

    return begin
