"""Every message type of the contract by its CloudEvents type name, in the order of topics, modules and definition."""

from importlib import import_module
from typing import Final

from shared.contract import products, rejection  # noqa: F401  (they register)
from shared.contract.message import REGISTERED, Message
from shared.contract.services import ALL
from shared.contract.topics import TOPICS

for _service in ALL:
    if _service.publishes:
        import_module(f"{_service.package}.messages" if _service.package else f"{__package__}.{_service.name}")
_ORDER: Final = [*TOPICS, ""]
_KNOWN: Final = [(name, kind) for name, kind in REGISTERED.items() if kind.topic in _ORDER]
MESSAGES: Final[dict[str, type[Message]]] = dict(
    sorted(_KNOWN, key=lambda named: (_ORDER.index(named[1].topic), named[1].__module__))
)
