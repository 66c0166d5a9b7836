"""Looks at the metrics of the services, over HTTP and so also when Kafka is away: that is when outboxes grow."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from services.alerts.reports import Reports
from services.alerts.watchdog import words
from services.alerts.watchdog.audits import Audit, audit
from services.alerts.watchdog.conditions import Conditions
from services.alerts.watchdog.damper import Damper
from shared.settings import PREFIX, Settings, SettingsError

log = logging.getLogger(__name__)
ASK_SECONDS: Final = 3.0
UNREADY_LOOKS: Final = 6
"""Looks in a row that find a service not ready before it is told: half a minute, with the settings as they come."""
NAMES: Final = ("quadrille_outbox_depth", "quadrille_outbox_age_seconds", "quadrille_outbox_set_aside")
REFUSES: Final = "quadrille_topic_refuses"
HEALTHY: Final = "quadrille_healthy"
UNSAID: Final = "it does not say why"


@dataclass(frozen=True)
class Outbox:
    """What a service says of its outbox: records that wait, the age of the oldest in seconds, and those set aside.

    ``refusing``: topics that take no record of it.
    """

    depth: float = 0.0
    age: float = 0.0
    set_aside: float = 0.0
    refusing: tuple[str, ...] = ()


@dataclass(frozen=True)
class Told:
    """What a service says of itself. ``trouble``: why it is not ready; nothing where it is. ``audit``: the auditor's last."""

    outbox: Outbox
    trouble: str | None = None
    audit: Audit | None = None


def addresses(named: str) -> dict[str, str]:
    """The services a setting names, with their addresses. Raises :class:`SettingsError`."""
    found = {}
    for part in filter(None, (part.strip() for part in named.split(","))):
        name, equals, address = part.partition("=")
        if not (name and equals and address.startswith(("http://", "https://"))):
            raise SettingsError(f"{PREFIX}WATCHED_SERVICES is a list such as cart=http://host:port, not {part!r}")
        found[name] = address.rstrip("/")
    return found


def read(metrics: str) -> tuple[Outbox, bool]:
    """The outbox of a service and whether it is ready, of all its metrics say; one that says nothing has no trouble."""
    lines = "".join(f"{line}\n" for line in metrics.splitlines() if line.startswith((*NAMES, REFUSES, HEALTHY)))
    samples = [sample for family in text_string_to_metric_families(lines) for sample in family.samples]
    refusing = sorted(s.labels["topic"] for s in samples if s.name == REFUSES and s.value)
    depth, age, aside = (max((s.value for s in samples if s.name == name), default=0.0) for name in NAMES)
    return Outbox(depth, age, aside, tuple(refusing)), all(s.value for s in samples if s.name == HEALTHY)


class Services:
    """Asks every ``watch_seconds``. Raises :class:`SettingsError` where an address is none.

    ``outage``: whether Kafka or alerts' own database is away. That is told by itself, and not once more of each service
    that waits for it.
    """

    def __init__(self, settings: Settings, reports: Reports, outage: Callable[[], bool]) -> None:
        every = settings.watch_seconds
        self._every, self._limit, self._outage = every, settings.outbox_seconds, outage
        self._addresses = addresses(settings.watched_services)
        self._down = Conditions(words.SERVICE, Damper(2 * every, 2 * every), reports, "it answers")
        self._unready = Conditions(words.UNREADY, Damper(UNREADY_LOOKS * every, 2 * every), reports, "it is ready")
        self._old = Conditions(words.OUTBOX, Damper(every, 2 * every), reports, "it publishes")
        self._aside = Conditions(words.SET_ASIDE, Damper(0, 2 * every), reports, "none is set aside any more")
        self._refused = Conditions(words.REFUSES, Damper(every, 2 * every), reports, "its topics take records again")
        self._audits, self._began = settings.audit_seconds, time.time()
        self._wrong = Conditions(words.MONEY_WRONG, Damper(0, 0), reports, "an audit found nothing wrong")
        self._overdue = Conditions(words.AUDIT_OVERDUE, Damper(0, 0), reports, "the money was audited")
        self.conditions = (self._down, self._unready, self._old, self._aside, self._refused, self._wrong, self._overdue)
        if not self._addresses:
            log.warning("no outbox is watched: name the services in %sWATCHED_SERVICES", PREFIX)

    async def run(self) -> None:
        """Ask until cancelled."""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ASK_SECONDS)) as session:
            while True:
                names = list(self._addresses)
                answers = await asyncio.gather(*(self._ask(session, name) for name in names))
                self._judge(dict(zip(names, answers, strict=True)), time.monotonic())
                await asyncio.sleep(self._every)

    async def _ask(self, session: aiohttp.ClientSession, name: str) -> Told | str:
        """What it says, or why it does not answer."""
        try:
            async with session.get(f"{self._addresses[name]}/metrics", raise_for_status=True) as answer:
                metrics = await answer.text()
            outbox, ready = read(metrics)
            return Told(outbox, None if ready else await self._why(session, name), audit(metrics))
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            return f"{type(error).__name__}: {error}".rstrip(": ")

    async def _why(self, session: aiohttp.ClientSession, name: str) -> str:
        """Why it is not ready, as far as it says."""
        async with session.get(f"{self._addresses[name]}/readyz") as answer:
            said = await answer.json(content_type=None) if answer.status in (200, 503) else None
        return str(said.get("trouble") or UNSAID) if isinstance(said, dict) else UNSAID

    def _judge(self, found: Mapping[str, Told | str], now: float) -> None:
        at, told = time.time(), {name: said for name, said in found.items() if isinstance(said, Told)}
        silent = {name: why for name, why in found.items() if isinstance(why, str)}
        boxes = {name: said.outbox for name, said in told.items()}
        down = {name: words.service_down(name, self._addresses[name], why, at) for name, why in silent.items()}
        unready = {n: words.service_not_ready(n, said.trouble, at) for n, said in told.items() if said.trouble}
        old = {name: words.outbox_grows(name, o.depth, o.age, at) for name, o in boxes.items() if o.age > self._limit}
        aside = {name: words.set_aside(name, o.set_aside, at) for name, o in boxes.items() if o.set_aside}
        refused = {name: words.topic_refuses(name, o.refusing, at) for name, o in boxes.items() if o.refusing}
        judged = [name for name in told if name not in unready] if self._outage() else told
        self._down.see(down, self._addresses, found, now)
        self._unready.see(unready, self._addresses, judged, now)
        self._old.see(old, self._addresses, told, now)
        self._aside.see(aside, self._addresses, told, now)
        self._refused.see(refused, self._addresses, told, now)
        self._judge_audits({name: said.audit for name, said in told.items() if said.audit}, at, now)

    def _judge_audits(self, audits: Mapping[str, Audit], at: float, now: float) -> None:
        wrong = {name: words.money_wrong(name, one.violations, at) for name, one in audits.items() if one.violations}
        overdue = {
            name: words.audit_overdue(name, one.finished, at)
            for name, one in audits.items()
            if one.is_overdue(self._audits, self._began, at)
        }
        self._wrong.see(wrong, self._addresses, audits, now)
        self._overdue.see(overdue, self._addresses, audits, now)
