"""Every message type of the contract by its CloudEvents type name, in the order of topics, modules and definition."""

from typing import Final

from shared.contract import alerts, cart, inventory, order, payment, products, rejection  # noqa: F401  (they register)
from shared.contract.message import REGISTERED, Message
from shared.contract.topics import TOPICS

_ORDER: Final = [*TOPICS, ""]
MESSAGES: Final[dict[str, type[Message]]] = dict(
    sorted(REGISTERED.items(), key=lambda named: (_ORDER.index(named[1].topic), named[1].__module__))
)
