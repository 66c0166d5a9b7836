"""The accidents, done to one service of a world."""

from collections.abc import Callable
from datetime import timedelta
from typing import Final

from shared.contract.envelope import Envelope
from simulation.agenda import Happening
from simulation.calls import Calls
from simulation.dancer import Dancer
from simulation.group import Feed
from simulation.troubles import Accident, Garbage


def befall(dancer: Dancer, calls: Calls, accident: Accident, hours: float) -> None:
    """Let it happen. ``hours``: how long it lasts, where it does."""
    if accident is Accident.DEAD_WHILE_CALLING:
        calls.deaths.append(timedelta(hours=hours))
    else:
        _DO[accident](dancer, timedelta(hours=hours))


def _lose_offsets(dancer: Dancer, lasts: timedelta) -> None:
    dancer.group.offsets_fail = True
    dancer.group.gather()


def _database_away(dancer: Dancer, lasts: timedelta) -> None:
    dancer.group.away_until = dancer.stage.now + lasts


def _broker_away(dancer: Dancer, lasts: timedelta) -> None:
    dancer.relay.away_until = dancer.stage.now + lasts


def _send_twice(dancer: Dancer, lasts: timedelta) -> None:
    dancer.relay.doubles += 1


def _garbage(dancer: Dancer, lasts: timedelta) -> None:
    feed = _some_feed(dancer)
    place = f"{feed.topic}/{feed.lane.number}/{len(feed.records)}"
    dancer.watch.garbage[place] += 1
    feed.lane.append(feed, (Envelope(place, place, "", "", place), Garbage(feed.lane.number)))


def _stall(dancer: Dancer, lasts: timedelta) -> None:
    feed = _some_feed(dancer)
    feed.stalled = True
    feed.lane.look(feed)

    def move() -> None:
        dancer.stage.agenda.remove(moving)
        feed.stalled = False
        feed.lane.look(feed)

    moving = Happening(move)
    dancer.stage.timers.set(dancer.stage.now + lasts, moving)


def _some_feed(dancer: Dancer) -> Feed:
    feeds = [feed for lane in dancer.group.lanes for feed in lane.feeds]
    return feeds[int(dancer.stage.chance() * len(feeds))]


_DO: Final[dict[Accident, Callable[[Dancer, timedelta], None]]] = {
    Accident.REBALANCE: lambda dancer, lasts: dancer.group.gather(),
    Accident.OFFSETS_LOST: _lose_offsets,
    Accident.REWIND: lambda dancer, lasts: dancer.group.rewind(),
    Accident.STALL: _stall,
    Accident.DOWN: lambda dancer, lasts: dancer.group.go_down(dancer.stage.now + lasts),
    Accident.DATABASE_AWAY: _database_away,
    Accident.BROKER_AWAY: _broker_away,
    Accident.SENT_TWICE: _send_twice,
    Accident.GARBAGE: _garbage,
    Accident.DIES: lambda dancer, lasts: dancer.dying.append(lasts),
}
