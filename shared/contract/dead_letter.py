"""What a dead letter says of its failure, in headers beside those of the record: names of Kafka Connect, and ours."""

from datetime import UTC, datetime
from typing import Final

from shared.contract.cards import without_card_numbers
from shared.contract.envelope import Headers

MAX_MESSAGE: Final = 1000
"""Characters that are kept of what an exception says."""
ERRORS: Final = "__connect.errors."
"""What the names of these headers begin with."""
LOST: Final = "offsets"
"""The stage of a dead letter that is no record: it tells of records the broker deleted before they were read."""


def failure_headers(
    service: str, stage: str, topic: str, partition: int, offset: int, error: str, message: str, at: datetime
) -> list[tuple[str, bytes]]:
    """Why a record is a dead letter, under the names Kafka Connect uses, and ours beside them.

    ``message`` may quote the record, so card numbers are taken out of it.
    """
    texts = {
        "topic": topic,
        "partition": str(partition),
        "offset": str(offset),
        "exception.class.name": error,
        "exception.message": without_card_numbers(message[: 4 * MAX_MESSAGE])[:MAX_MESSAGE],
        "stage": stage,
        "quadrille.service": service,
        "quadrille.attempts": "1",
        "quadrille.failed_at": at.astimezone(UTC).isoformat(),
    }
    return [(ERRORS + name, text.encode("utf-8", "backslashreplace")) for name, text in texts.items()]


def without_failure(headers: Headers) -> list[tuple[str, bytes | None]]:
    """The headers as they first came: those of an earlier failure do not pile up."""
    return [(name, value) for name, value in headers if not name.startswith(ERRORS)]
