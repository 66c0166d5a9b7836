"""Faults, injected into one service of a world."""

from collections.abc import Callable
from datetime import timedelta
from typing import Final

from proofs.simulation.calls import Calls
from proofs.simulation.events import Event
from proofs.simulation.faults import Garbage, ServiceFault
from proofs.simulation.partitions import Feed
from proofs.simulation.service import ANY, Service
from shared.contract.envelope import Envelope


def inject(service: Service, calls: Calls, fault: ServiceFault, hours: float) -> None:
    """Let it happen. ``hours``: how long it lasts, where it does."""
    if fault is ServiceFault.DEAD_WHILE_CALLING:
        calls.deaths.append(timedelta(hours=hours))
    else:
        _DO[fault](service, timedelta(hours=hours))


def _lose_offsets(service: Service, lasts: timedelta) -> None:
    service.group.offsets_fail = True
    service.group.gather()


def _database_away(service: Service, lasts: timedelta) -> None:
    service.group.away_until = service.env.now + lasts


def _broker_away(service: Service, lasts: timedelta) -> None:
    service.relay.away_until = service.env.now + lasts


def _send_twice(service: Service, lasts: timedelta) -> None:
    service.relay.doubles += 1


def _garbage(service: Service, lasts: timedelta) -> None:
    feed = _some_feed(service)
    place = f"{feed.topic}/{feed.partition.number}/{len(feed.records)}"
    service.watch.garbage[place] += 1
    feed.partition.append(feed, (Envelope(place, place, "", "", place), Garbage(feed.partition.number)))


def _stall(service: Service, lasts: timedelta) -> None:
    feed = _some_feed(service)
    feed.stalled = True
    feed.partition.look(feed)

    def move() -> None:
        service.env.ready.remove(moving)
        feed.stalled = False
        feed.partition.look(feed)

    moving = Event(move)
    service.env.timers.set(service.env.now + lasts, moving)


def _die(service: Service, lasts: timedelta) -> None:
    """There is a bug in one reaction, or in whichever comes next."""
    kinds = list(service.wiring.kinds)
    place = int(service.env.chance() * 2 * len(kinds))
    service.dying.setdefault(kinds[place] if place < len(kinds) else ANY, []).append(lasts)


def _some_feed(service: Service) -> Feed:
    feeds = [feed for partition in service.group.partitions for feed in partition.feeds]
    return feeds[int(service.env.chance() * len(feeds))]


_DO: Final[dict[ServiceFault, Callable[[Service, timedelta], None]]] = {
    ServiceFault.REBALANCE: lambda service, lasts: service.group.gather(),
    ServiceFault.OFFSETS_LOST: _lose_offsets,
    ServiceFault.REWIND: lambda service, lasts: service.group.rewind(),
    ServiceFault.STALL: _stall,
    ServiceFault.DOWN: lambda service, lasts: service.group.go_down(service.env.now + lasts),
    ServiceFault.DATABASE_AWAY: _database_away,
    ServiceFault.BROKER_AWAY: _broker_away,
    ServiceFault.SENT_TWICE: _send_twice,
    ServiceFault.GARBAGE: _garbage,
    ServiceFault.DIES: _die,
}
