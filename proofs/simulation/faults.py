"""What may go wrong."""

from dataclasses import dataclass
from enum import StrEnum


class CommitFault(StrEnum):
    """What becomes of one commit. A process that is paused may find that others own its partitions when it goes on."""

    ABORTED = "database away for a commit"
    CRASH_BEFORE = "crash before the commit"
    ANSWER_LOST = "answer to the commit lost"
    CRASH_AFTER = "crash after the commit, before publishing"
    CRASH_PUBLISHED = "crash after publishing, before deleting"
    PAUSE = "process paused with a batch in hand"


class GatewayFault(StrEnum):
    """What goes wrong with one request. ``late``: it takes effect, but long after the client has given it up.

    ``pending``: the gateway takes it up, and knows a moment later what comes of it. ``part``: only a part of the amount is
    held or taken. ``trouble``: it is turned away, and perhaps so are all for some hours. ``foreign``: the request is lost,
    and somebody else has a payment under the same reference.
    """

    UNAVAILABLE = "unavailable"
    LOST = "lost"
    LATE = "late"
    ANSWER_LOST = "answer lost"
    ERROR = "error"
    PENDING = "pending"
    PART = "a part of the amount"
    TROUBLE = "gateway in trouble"
    FOREIGN = "foreign payment under the same reference"


class ServiceFault(StrEnum):
    """What happens to a service or to its group."""

    REBALANCE = "rebalance"
    OFFSETS_LOST = "rebalance without the offsets"
    REWIND = "offsets reset to the beginning"
    STALL = "partition of a topic away"
    DOWN = "service down"
    DATABASE_AWAY = "database away"
    BROKER_AWAY = "broker away for the relay"
    SENT_TWICE = "relay sends twice"
    GARBAGE = "a record nobody can read"
    DIES = "a message becomes a dead letter, and is redriven"
    DEAD_WHILE_CALLING = "service dies while it waits for the gateway"


@dataclass(frozen=True)
class Garbage:
    """A record nobody can read, and the partition it lies in."""

    partition: int


@dataclass(frozen=True)
class DeadLetter:
    """What becomes of it. ``of``: the place of the record; it stands for the key."""

    of: str

    @property
    def key(self) -> str:
        """What a record is filed under."""
        return self.of
