"""Looks at the metrics of the services, over HTTP and so also when Kafka is away: that is when outboxes grow."""

import asyncio
import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from services.alerts.keeper import Keeper
from services.alerts.watchdog import words
from services.alerts.watchdog.damper import Damper
from shared.settings import PREFIX, Settings, SettingsError

log = logging.getLogger(__name__)
ASK_SECONDS: Final = 3.0
DEPTH, AGE = "quadrille_outbox_depth", "quadrille_outbox_age_seconds"


@dataclass(frozen=True)
class Outbox:
    """What a service says of its outbox: records that wait, and the age of the oldest in seconds."""

    depth: float = 0.0
    age: float = 0.0


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
    lines = "".join(f"{line}\n" for line in metrics.splitlines() if line.startswith((DEPTH, AGE)))
    samples = [sample for family in text_string_to_metric_families(lines) for sample in family.samples]
    return Outbox(*(max((s.value for s in samples if s.name == name), default=0.0) for name in (DEPTH, AGE)))


class Services:
    """Asks every ``watch_seconds``. Raises :class:`SettingsError` where an address is none."""

    def __init__(self, settings: Settings, keeper: Keeper) -> None:
        every = settings.watch_seconds
        self._keeper, self._every, self._limit = keeper, every, settings.outbox_seconds
        self._addresses = addresses(settings.watched_services)
        self._outboxes = Damper(every, 2 * every)
        self._services = Damper(2 * every, 2 * every)
        if not self._addresses:
            log.warning("no outbox is watched: name the services in %sWATCHED_SERVICES", PREFIX)

    def recall(self, down: Iterable[str], grown: Iterable[str]) -> None:
        """These services, and these outboxes, have an open alert."""
        self._services.raised.update(down)
        self._outboxes.raised.update(grown)

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

    async def _judge(self, found: dict[str, Outbox | str], now: float) -> None:
        down = self._services.see({name: isinstance(said, str) for name, said in found.items()}, now)
        for name in down.raised:
            await self._keeper.report(words.service_down(name, self._addresses[name], str(found[name]), time.time()))
        for name in down.cleared:
            await self._keeper.settle(words.identity(words.SERVICE, name), words.BY, "it answers")
        outboxes = {name: said if isinstance(said, Outbox) else None for name, said in found.items()}
        old = {name: None if box is None else box.age > self._limit for name, box in outboxes.items()}
        grow = self._outboxes.see(old, now)
        for name in grow.raised:
            if box := outboxes[name]:
                await self._keeper.report(words.outbox_grows(name, box.depth, box.age, time.time()))
        for name in grow.cleared:
            await self._keeper.settle(words.identity(words.OUTBOX, name), words.BY, "it publishes")
