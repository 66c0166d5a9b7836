"""Who may commit for a partition.

Kafka's assignment alone does not stop a member that was paused or cut off and does not know it lost its partitions.
So whoever is assigned a partition raises its epoch in the database, and every commit checks the epoch it was given: a former
owner cannot commit. Raising it waits for a commit of the former owner that is under way.

A partition number belongs to the member that is assigned it in the topic of the service's commands. Another member may be
assigned the same number in another topic, where topics have different numbers of partitions or members different versions. It
handles these records as a guest: its commits and the owner's wait for each other, and the owner, who publishes all events
of the partition, learns from the count of guests' commits that there may be events before its own.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from sqlalchemy import Integer, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

_PARTITIONS: Final = bindparam("partitions", type_=ARRAY(Integer))
_TAKE: Final = text(
    "INSERT INTO ownership AS o (partition, epoch, owner) SELECT partition, 1, :owner"
    " FROM unnest(:partitions) AS partition ORDER BY partition"
    " ON CONFLICT (partition) DO UPDATE SET epoch = o.epoch + 1, owner = excluded.owner RETURNING partition, epoch"
).bindparams(_PARTITIONS)
_CHECK: Final = text(
    "SELECT partition, epoch, visits, clock_timestamp() AS now FROM ownership"
    " WHERE partition = ANY(:partitions) ORDER BY partition FOR SHARE"
).bindparams(_PARTITIONS)
_VISIT: Final = text(
    "WITH locked AS (SELECT partition FROM ownership WHERE partition = ANY(:partitions) ORDER BY partition FOR UPDATE),"
    " visited AS (UPDATE ownership AS o SET visits = visits + 1 FROM locked WHERE o.partition = locked.partition)"
    " SELECT clock_timestamp()"
).bindparams(_PARTITIONS)


class FencedError(Exception):
    """Another member owns a partition of this batch by now: this one must join the group anew."""


async def take(connection: AsyncConnection, partitions: Iterable[int], owner: str) -> dict[int, int]:
    """Own these partitions from now on; returns the epoch of each."""
    rows = await connection.execute(_TAKE, {"partitions": sorted(partitions), "owner": owner})
    return {row.partition: row.epoch for row in rows}


async def check(connection: AsyncConnection, epochs: Mapping[int, int]) -> tuple[datetime, dict[int, int]]:
    """Make sure these epochs still hold until the commit; returns the database's clock and the visits to each partition.

    Raises :class:`FencedError`.
    """
    rows = (await connection.execute(_CHECK, {"partitions": sorted(epochs)})).all()
    if {row.partition: row.epoch for row in rows} != dict(epochs):
        raise FencedError(f"another member owns one of the partitions {sorted(epochs)}")
    now: datetime = rows[0].now
    return now, {row.partition: row.visits for row in rows}


async def visit(connection: AsyncConnection, partitions: Iterable[int]) -> datetime:
    """Commit beside the owners of these partitions; returns the database's clock."""
    now: datetime = (await connection.execute(_VISIT, {"partitions": sorted(set(partitions))})).scalar_one()
    return now
