"""The faults, by family: each is an async context manager that begins when entered and has healed when left."""

from proofs.chaos.faults import broker, clock, database, gateway, network, processes, records
from proofs.chaos.faults.kinds import Begin
from proofs.chaos.schedule import Kind
from proofs.chaos.world import World

FAMILIES = (processes, broker, database, network, gateway, clock, records)


def kinds(world: World) -> dict[Kind, Begin]:
    """Every kind of fault that can be had here, and how it begins."""
    return {kind: begin for family in FAMILIES for kind, begin in family.kinds(world).items()}


__all__ = ["Begin", "kinds"]
