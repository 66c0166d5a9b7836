"""The services: the one place where a new one is named.

Its topics, messages, settings and database, its place in the compose stack, in Prometheus and in the console's picture follow
from here (``quadrille docs write`` writes what is generated).
"""

from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Final


@dataclass(frozen=True)
class Service:
    """A process ``python -m <package>`` that has a database of its own.

    ``package``: of an installed service; ours are ``services.<name>``, with their messages in ``shared/contract``.
    ``commands``: who writes its commands; none where it takes none. ``command_key`` and ``event_key``: the Kafka keys.
    ``reporter``: the service that reports an event of it that nobody can read, where several read them. ``in_checkout``:
    whether it takes part in the choreography. ``publishes``: whether it has events and dead letters of its own.
    """

    name: str
    commands: str | None = None
    command_key: str = "cart id"
    event_key: str = "cart id"
    reporter: str | None = None
    in_checkout: bool = True
    publishes: bool = True
    package: str = ""


ALL: Final = (
    Service("cart", "clients", event_key="cart id (catalogue: SKU)", reporter="order"),
    Service("inventory", "staff, other systems", "SKU", "cart id (stock: SKU)", reporter="order"),
    Service("order", "clients, staff", reporter="payment"),
    Service("payment", "staff", reporter="order"),
    Service("alerts", "staff, every service", "alert or dead letter", "alert or dead letter", in_checkout=False),
    Service("journal", in_checkout=False, publishes=False),
    *(Service(found.name, in_checkout=False, package=found.value) for found in entry_points(group="quadrille.services")),
)
"""Ours, and those that installed packages add: these react to events and publish their own."""
SERVICES: Final = tuple(service.name for service in ALL if service.in_checkout)
"""Those of the choreography, in the order a checkout meets them."""
REDRIVABLE: Final = tuple(service.name for service in ALL if service.publishes)
"""The services whose dead letters can be sent to them once more: those that publish."""
PACKAGES: Final = {service.name: service.package or f"services.{service.name}" for service in ALL}
DATABASES: Final = tuple(PACKAGES)
"""The services that own a database."""
PROCESSES: Final = (*DATABASES, "audit", "console")
"""All processes that serve ``/metrics``: the services, the auditor and the console."""
