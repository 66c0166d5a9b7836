"""Watches the services by their metrics, over HTTP: that works while Kafka is unreachable, when outboxes grow."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

import aiohttp

from services.alerts.reports import Reports
from services.alerts.watchdog import condition_alerts as alerts
from services.alerts.watchdog.conditions import Conditions
from services.alerts.watchdog.metrics import threshold
from services.alerts.watchdog.service_metrics import UNKNOWN, ServiceReport, overdue_after, read
from shared.settings import PREFIX, Settings, SettingsError

log = logging.getLogger(__name__)
ASK_SECONDS: Final = 3.0
JOURNAL: Final = "journal"
"""The service that says which checkouts are late."""
NOWHERE: Final = "an unknown address"
UNREADY_LOOKS: Final = 6
"""Looks in a row that find a service not ready before its alert opens: half a minute with the default settings."""


def addresses(named: str) -> dict[str, str]:
    """The services in a setting, with their addresses. Raises :class:`SettingsError`."""
    found = {}
    for part in filter(None, (part.strip() for part in named.split(","))):
        name, equals, address = part.partition("=")
        if not (name and equals and address.startswith(("http://", "https://"))):
            raise SettingsError(f"{PREFIX}WATCHED_SERVICES is a list such as cart=http://host:port, not {part!r}")
        found[name] = address.rstrip("/")
    return found


class ServiceMonitor:
    """Asks every service every ``watch_seconds``. Raises :class:`SettingsError` for an invalid address.

    ``outage``: whether Kafka or alerts' own database is down. That has its own alert, so services that wait for it get none.
    ``unanswered``: why the journal did not say which checkouts are late; then it is not ready, whatever it says of itself.
    """

    def __init__(
        self, settings: Settings, reports: Reports, outage: Callable[[], bool], unanswered: Callable[[], str | None]
    ) -> None:
        self._every, self._outbox_seconds, self._outage = settings.watch_seconds, settings.outbox_seconds, outage
        self._overdue_after, self._began = overdue_after(settings.audit_seconds), time.time()
        threshold.labels("outbox_grows").set(self._outbox_seconds)
        threshold.labels("audit_overdue").set(self._overdue_after)
        self._unanswered = unanswered
        named = addresses(settings.watched_services)
        self._addresses = {JOURNAL: NOWHERE, **named} if named else {}
        every, twice = self._every, 2 * self._every
        self._down = Conditions(alerts.SERVICE, reports, "it answers", twice, twice)
        self._unready = Conditions(alerts.UNREADY, reports, "it is ready", UNREADY_LOOKS * every, twice)
        self._late = Conditions(alerts.OUTBOX, reports, "it publishes", every, twice)
        self._quarantined = Conditions(alerts.QUARANTINED, reports, "no record is quarantined any more", 0, twice)
        self._refused = Conditions(alerts.REFUSES, reports, "its topics accept records again", every, twice)
        self._wrong = Conditions(alerts.MONEY_WRONG, reports, "an audit found nothing wrong")
        self._overdue = Conditions(alerts.AUDIT_OVERDUE, reports, "the money was audited")
        self.conditions = (
            self._down, self._unready, self._late, self._quarantined, self._refused, self._wrong, self._overdue,
        )  # fmt: skip
        if not named:
            log.warning("no service is watched, and no checkout: set %sWATCHED_SERVICES", PREFIX)

    async def run(self) -> None:
        """Ask until cancelled."""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ASK_SECONDS)) as session:
            while True:
                answers = await asyncio.gather(*(self._ask(session, *named) for named in self._addresses.items()))
                self._judge(dict(zip(self._addresses, answers, strict=True)), time.monotonic())
                await asyncio.sleep(self._every)

    async def _ask(self, session: aiohttp.ClientSession, name: str, address: str) -> ServiceReport | str:
        """What a service reports, or why it does not answer."""
        if address == NOWHERE:
            return f"{PREFIX}WATCHED_SERVICES does not name it"
        try:
            async with session.get(f"{address}/metrics", raise_for_status=True) as answer:
                report = read(await answer.text())
            if report.trouble:
                return replace(report, trouble=await self._trouble(session, address))
            return replace(report, trouble=self._unanswered()) if name == JOURNAL else report
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            return f"{type(error).__name__}: {error}".rstrip(": ")

    async def _trouble(self, session: aiohttp.ClientSession, address: str) -> str:
        """Why a service is not ready."""
        async with session.get(f"{address}/readyz") as answer:
            body = await answer.json(content_type=None) if answer.status in (200, 503) else None
        return str(body.get("trouble") or UNKNOWN) if isinstance(body, dict) else UNKNOWN

    def _judge(self, answers: Mapping[str, ServiceReport | str], now: float) -> None:
        at = time.time()
        silent = {name: why for name, why in answers.items() if isinstance(why, str)}
        reports = {name: report for name, report in answers.items() if isinstance(report, ServiceReport)}
        boxes = {name: report.outbox for name, report in reports.items()}
        audits = {name: report.audit for name, report in reports.items() if report.audit}
        down = {n: alerts.service_down(n, self._addresses[n], why, at) for n, why in silent.items()}
        unready = {n: alerts.service_not_ready(n, report.trouble, at) for n, report in reports.items() if report.trouble}
        late = {n: alerts.outbox_grows(n, o.depth, o.age, at) for n, o in boxes.items() if o.age > self._outbox_seconds}
        quarantined = {n: alerts.outbox_quarantined(n, o.quarantined, at) for n, o in boxes.items() if o.quarantined}
        refused = {n: alerts.topic_refuses(n, o.refusing, at) for n, o in boxes.items() if o.refusing}
        wrong = {n: alerts.money_wrong(n, audit.violations, at) for n, audit in audits.items() if audit.violations}
        due = {n: audit for n, audit in audits.items() if audit.is_overdue(self._overdue_after, self._began, at)}
        overdue = {n: alerts.audit_overdue(n, audit.finished, at) for n, audit in due.items()}
        judged = reports.keys() - unready if self._outage() else reports.keys()
        for conditions, found, known in (
            (self._down, down, answers.keys()),
            (self._unready, unready, judged),
            (self._late, late, reports.keys()),
            (self._quarantined, quarantined, reports.keys()),
            (self._refused, refused, reports.keys()),
            (self._wrong, wrong, audits.keys()),
            (self._overdue, overdue, audits.keys()),
        ):
            conditions.update(found, self._addresses, known, now)
