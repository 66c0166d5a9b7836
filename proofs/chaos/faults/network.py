"""A network that is bad between a service and the broker, the database or the gateway."""

import contextlib
from collections.abc import AsyncIterator
from typing import Final

from proofs.chaos.faults.kinds import Begin
from proofs.chaos.proxy import NetworkFault, Proxy
from proofs.chaos.schedule import Kind
from proofs.chaos.world import World
from shared.contract.services import DATABASES

FAMILY: Final = "network"
SECONDS: Final = (5.0, 15.0)
GATEWAY: Final = "payment to gateway"


def kinds(world: World) -> dict[Kind, Begin]:
    """The kinds of this family: each fault of the network."""
    pairs = tuple(f"{service} to {server}" for service in DATABASES for server in ("broker", "database"))
    return {
        Kind(FAMILY, f"network {fault.value}", (*pairs, GATEWAY), SECONDS): _begin(fault)
        for fault in NetworkFault
        if fault is not NetworkFault.NONE
    }


def _begin(fault: NetworkFault) -> Begin:
    @contextlib.asynccontextmanager
    async def begin(world: World, target: str) -> AsyncIterator[None]:
        proxies = _between(world, target)
        for proxy in proxies:
            proxy.set_fault(fault)
        try:
            yield
        finally:
            for proxy in proxies:
                proxy.set_fault(NetworkFault.NONE)

    return begin


def _between(world: World, target: str) -> list[Proxy]:
    if target == GATEWAY:
        return [world.gateway_proxy]
    service, server = target.split(" to ")
    return [broker.proxies[service] for broker in world.brokers] if server == "broker" else [world.database.proxies[service]]
