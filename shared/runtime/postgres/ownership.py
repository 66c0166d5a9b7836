"""Who may commit for a partition.

Kafka's assignment alone does not stop a member that was paused or cut off and does not know it lost its partitions.
So whoever is assigned a partition raises its epoch in the database, and every commit checks the epoch it was given: a former
owner cannot commit. Raising it waits for a commit of the former owner that is under way.

A partition belongs to the member that is assigned its partition of the service's commands. Another member may be assigned
the same partition of another topic, where topics have different numbers of partitions or members different versions. It
handles these records as a guest: its commits and the owner's wait for each other, and the owner, who publishes what a guest
commits, is notified of it, and learns from the count of guests' commits that there may be events before its own.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from shared.runtime.database import FencedError
from shared.runtime.postgres.session import Session

VISITED: Final = "visited"
"""The channel on which owners hear that somebody has committed beside one of them."""
_TAKE: Final = (
    "INSERT INTO ownership AS o (partition, epoch, owner) SELECT p, 1, $2 FROM unnest($1::int[]) AS p ORDER BY p"
    " ON CONFLICT (partition) DO UPDATE SET epoch = o.epoch + 1, owner = excluded.owner RETURNING partition, epoch"
)
_CHECK: Final = (
    "SELECT partition, epoch, visits, clock_timestamp() AS now FROM ownership"
    " WHERE partition = ANY($1::int[]) ORDER BY partition FOR SHARE"
)
_VISIT: Final = (
    "WITH locked AS (SELECT partition FROM ownership WHERE partition = ANY($1::int[]) ORDER BY partition FOR UPDATE),"
    " visited AS (UPDATE ownership AS o SET visits = visits + 1 FROM locked WHERE o.partition = locked.partition)"
    f" SELECT clock_timestamp() AS now, (SELECT count(pg_notify('{VISITED}', '')) FROM locked) AS told"
)


async def take(session: Session, partitions: Iterable[int], owner: str) -> dict[int, int]:
    """Own these partitions from now on; returns the epoch of each."""
    return {row["partition"]: row["epoch"] for row in await session.fetch(_TAKE, sorted(partitions), owner)}


async def check(session: Session, epochs: Mapping[int, int]) -> tuple[datetime, dict[int, int]]:
    """Make sure these epochs still hold until the commit; returns the database's clock and the visits to each partition.

    Raises :class:`FencedError`.
    """
    rows = await session.fetch(_CHECK, sorted(epochs))
    if {row["partition"]: row["epoch"] for row in rows} != dict(epochs):
        raise FencedError(f"another member owns one of the partitions {sorted(epochs)}")
    now: datetime = rows[0]["now"]
    return now, {row["partition"]: row["visits"] for row in rows}


async def visit(session: Session, partitions: Iterable[int]) -> datetime:
    """Commit beside the owners of these partitions; returns the database's clock."""
    (row,) = await session.fetch(_VISIT, sorted(set(partitions)))
    now: datetime = row["now"]
    return now
