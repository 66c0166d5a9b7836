"""The one answer every service can give to a command: no, and why."""

from typing import Annotated, ClassVar

from pydantic import Field

from shared.contract.message import Event
from shared.contract.values import Reason


class CommandRejected(Event):
    """A command was refused, with every reason. Published to the events topic of the service it was sent to."""

    topic: ClassVar[str] = ""  # decided by the service that refuses
    key_field: ClassVar[str] = "command_key"
    command_key: str
    """The command's Kafka key."""
    command_id: str
    """The command."""
    command_type: str
    """Its CloudEvents type."""
    reasons: Annotated[tuple[Reason, ...], Field(strict=False)]
