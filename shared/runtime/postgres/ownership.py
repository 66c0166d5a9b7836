"""Who may commit for a lane.

Kafka's assignment alone does not stop a member that was paused or cut off and does not know it lost its partitions.
So whoever is assigned a lane raises its epoch in the database, and every commit checks the epoch it was given: a former
owner cannot commit. Raising it waits for a commit of the former owner that is under way.

A lane belongs to the member that is assigned its partition of the service's commands. Another member may be assigned the
same partition of another topic, where topics have different numbers of partitions or members different versions. It
handles these records as a guest: its commits and the owner's wait for each other, and the owner, who publishes all events
of the lane, learns from the count of guests' commits that there may be events before its own.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from sqlalchemy import Integer, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

_LANES: Final = bindparam("lanes", type_=ARRAY(Integer))
_TAKE: Final = text(
    "INSERT INTO ownership AS o (lane, epoch, owner) SELECT lane, 1, :owner FROM unnest(:lanes) AS lane ORDER BY lane"
    " ON CONFLICT (lane) DO UPDATE SET epoch = o.epoch + 1, owner = excluded.owner RETURNING lane, epoch"
).bindparams(_LANES)
_CHECK: Final = text(
    "SELECT lane, epoch, visits, clock_timestamp() AS now FROM ownership WHERE lane = ANY(:lanes) ORDER BY lane FOR SHARE"
).bindparams(_LANES)
_VISIT: Final = text(
    "WITH locked AS (SELECT lane FROM ownership WHERE lane = ANY(:lanes) ORDER BY lane FOR UPDATE),"
    " visited AS (UPDATE ownership AS o SET visits = visits + 1 FROM locked WHERE o.lane = locked.lane)"
    " SELECT clock_timestamp()"
).bindparams(_LANES)


class FencedError(Exception):
    """Another member owns a lane of this batch by now: this one must join the group anew."""


async def take(connection: AsyncConnection, lanes: Iterable[int], owner: str) -> dict[int, int]:
    """Own these lanes from now on; returns the epoch of each."""
    rows = await connection.execute(_TAKE, {"lanes": sorted(lanes), "owner": owner})
    return {row.lane: row.epoch for row in rows}


async def check(connection: AsyncConnection, epochs: Mapping[int, int]) -> tuple[datetime, dict[int, int]]:
    """Make sure these epochs still hold until the commit; returns the database's clock and the visits to each lane.

    Raises :class:`FencedError`.
    """
    rows = (await connection.execute(_CHECK, {"lanes": sorted(epochs)})).all()
    if {row.lane: row.epoch for row in rows} != dict(epochs):
        raise FencedError(f"another member owns one of the lanes {sorted(epochs)}")
    now: datetime = rows[0].now
    return now, {row.lane: row.visits for row in rows}


async def visit(connection: AsyncConnection, lanes: Iterable[int]) -> datetime:
    """Commit beside the owners of these lanes; returns the database's clock."""
    now: datetime = (await connection.execute(_VISIT, {"lanes": sorted(set(lanes))})).scalar_one()
    return now
