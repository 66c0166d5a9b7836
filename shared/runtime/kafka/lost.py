"""Records that a reader never read: the broker no longer has them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import orjson

from shared.contract.dead_letter import LOST, failure_headers
from shared.contract.topics import DEAD_LETTERS
from shared.runtime.database import Database, OutboxRow
from shared.runtime.records import Outgoing


class RecordsLostError(Exception):
    """Records of a topic were deleted before they were read; the message says which."""


@dataclass(frozen=True, slots=True)
class LostRecords:
    """Offsets of a partition that ``group`` never read, from ``first`` to before ``until``, where it goes on.

    ``topic`` and ``group`` as the broker knows them.

    ``first`` is missing where the broker forgot how far the group had read. An ``until`` that is not after it: the topic
    was made anew, or cut off, and its offsets began again.
    """

    group: str
    topic: str
    partition: int
    first: int | None
    until: int

    @property
    def sentence(self) -> str:
        """What was not read, and why, as far as it is known."""
        place = f"{self.topic}/{self.partition}"
        if self.first is None:
            return (
                f"{self.group} goes on at offset {self.until} of {place}: what is older is deleted, and how far the group had"
                " read is forgotten"
            )
        if self.first >= self.until:
            return (
                f"{self.group} goes on at offset {self.until} of {place}, and had read to {self.first}: the topic was made anew"
                " or cut off, and what the old one held beyond is gone"
            )
        return f"{self.group} never read the offsets {self.first} to {self.until - 1} of {place}: they were deleted before"

    def dead_letter(self, service: str, now: datetime) -> Outgoing:
        """The dead letter that reports it, the same however often it is found."""
        what = {"group": self.group, "topic": self.topic, "partition": self.partition}
        body = orjson.dumps({**what, "first": self.first, "until": self.until}, option=orjson.OPT_SORT_KEYS)
        first = -1 if self.first is None else self.first
        error = RecordsLostError.__name__
        headers = failure_headers(service, LOST, self.topic, self.partition, first, error, self.sentence, now)
        return Outgoing(self.partition, DEAD_LETTERS, f"{self.group}/{self.topic}".encode(), body, headers)


async def report_lost(database: Database, service: str, lost: Sequence[LostRecords]) -> list[OutboxRow]:
    """Write dead letters about lost records to the outbox of a service; returns the rows to publish."""
    async with database.transaction() as transaction:
        return await transaction.send([one.dead_letter(service, datetime.now(UTC)) for one in lost])
