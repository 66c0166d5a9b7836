"""Records on their way out."""

from dataclasses import dataclass

from shared.contract.envelope import Headers


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A record to be sent, byte for byte. ``lane``: the partition it goes to.

    A reaction may yield one beside its messages, where it hands on what is no message of its own.
    """

    lane: int
    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers
