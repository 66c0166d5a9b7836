"""Looks at the metrics of the services, over HTTP and so also when Kafka is away: that is when outboxes grow."""

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from services.alerts.keeper import Keeper
from services.alerts.watchdog import words
from services.alerts.watchdog.conditions import Conditions
from services.alerts.watchdog.damper import Damper
from shared.settings import PREFIX, Settings, SettingsError

log = logging.getLogger(__name__)
ASK_SECONDS: Final = 3.0
NAMES: Final = ("quadrille_outbox_depth", "quadrille_outbox_age_seconds", "quadrille_outbox_set_aside")
REFUSES: Final = "quadrille_topic_refuses"


@dataclass(frozen=True)
class Outbox:
    """What a service says of its outbox: records that wait, the age of the oldest in seconds, and those set aside.

    ``refusing``: topics that take no record of it.
    """

    depth: float = 0.0
    age: float = 0.0
    set_aside: float = 0.0
    refusing: tuple[str, ...] = ()


def addresses(named: str) -> dict[str, str]:
    """The services a setting names, with their addresses. Raises :class:`SettingsError`."""
    found = {}
    for part in filter(None, (part.strip() for part in named.split(","))):
        name, equals, address = part.partition("=")
        if not (name and equals and address.startswith(("http://", "https://"))):
            raise SettingsError(f"{PREFIX}WATCHED_SERVICES is a list such as cart=http://host:port, not {part!r}")
        found[name] = address.rstrip("/")
    return found


def outbox(metrics: str) -> Outbox:
    """The outbox, of all that a service says; one that says nothing of it has nothing waiting."""
    lines = "".join(f"{line}\n" for line in metrics.splitlines() if line.startswith((*NAMES, REFUSES)))
    samples = [sample for family in text_string_to_metric_families(lines) for sample in family.samples]
    refusing = sorted(s.labels["topic"] for s in samples if s.name == REFUSES and s.value)
    depth, age, aside = (max((s.value for s in samples if s.name == name), default=0.0) for name in NAMES)
    return Outbox(depth, age, aside, tuple(refusing))


class Services:
    """Asks every ``watch_seconds``. Raises :class:`SettingsError` where an address is none."""

    def __init__(self, settings: Settings, keeper: Keeper) -> None:
        every = settings.watch_seconds
        self._every, self._limit = every, settings.outbox_seconds
        self._addresses = addresses(settings.watched_services)
        self._down = Conditions(words.SERVICE, Damper(2 * every, 2 * every), keeper, "it answers")
        self._old = Conditions(words.OUTBOX, Damper(every, 2 * every), keeper, "it publishes")
        self._aside = Conditions(words.SET_ASIDE, Damper(0, 2 * every), keeper, "none is set aside any more")
        self._refused = Conditions(words.REFUSES, Damper(every, 2 * every), keeper, "its topics take records again")
        self.conditions = (self._down, self._old, self._aside, self._refused)
        if not self._addresses:
            log.warning("no outbox is watched: name the services in %sWATCHED_SERVICES", PREFIX)

    async def run(self) -> None:
        """Ask until cancelled."""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ASK_SECONDS)) as session:
            while True:
                names = list(self._addresses)
                answers = await asyncio.gather(*(self._ask(session, name) for name in names))
                await self._judge(dict(zip(names, answers, strict=True)), time.monotonic())
                await asyncio.sleep(self._every)

    async def _ask(self, session: aiohttp.ClientSession, name: str) -> Outbox | str:
        """Its outbox, or why it does not answer."""
        try:
            async with session.get(f"{self._addresses[name]}/metrics", raise_for_status=True) as answer:
                return outbox(await answer.text())
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            return f"{type(error).__name__}: {error}".rstrip(": ")

    async def _judge(self, found: Mapping[str, Outbox | str], now: float) -> None:
        at, told = time.time(), {name: said for name, said in found.items() if isinstance(said, Outbox)}
        silent = {name: why for name, why in found.items() if isinstance(why, str)}
        down = {name: words.service_down(name, self._addresses[name], why, at) for name, why in silent.items()}
        old = {name: words.outbox_grows(name, o.depth, o.age, at) for name, o in told.items() if o.age > self._limit}
        aside = {name: words.set_aside(name, o.set_aside, at) for name, o in told.items() if o.set_aside}
        refused = {name: words.topic_refuses(name, o.refusing, at) for name, o in told.items() if o.refusing}
        await self._down.see(down, self._addresses, found, now)
        await self._old.see(old, self._addresses, told, now)
        await self._aside.see(aside, self._addresses, told, now)
        await self._refused.see(refused, self._addresses, told, now)
