"""When a message happened, by what its writer and the broker say. Nothing that anybody writes can make this fail."""

from datetime import UTC, datetime, timedelta
from typing import Final

EARLY: Final = timedelta(minutes=5)
"""So far the writer's clock may be ahead of the broker's record, and the broker's of ours."""
LATE: Final = timedelta(days=30)
"""So long an event may have waited in an outbox."""


def moment(text: str) -> datetime | None:
    """A CloudEvents time, or nothing where it is none."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo else None


def recorded_at(timestamp: int, now: datetime) -> datetime:
    """When Kafka says a record came (milliseconds). Its writer may have set that, but not into the future.

    Where the broker's clock is a little ahead of ours it is believed, so that it is the same whenever it is read.
    """
    try:
        at = datetime.fromtimestamp(timestamp / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return now
    return at if at <= now + EARLY else now


def happened_at(told: datetime | None, recorded: datetime) -> datetime:
    """When the writer says it happened, where that fits to when it was recorded; else the latter."""
    return told if told and -LATE <= told - recorded <= EARLY else recorded
