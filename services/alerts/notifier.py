"""Tells people: a durable queue of notifications, sent through Apprise, each until it is delivered.

Whoever sends one claims it for a while, so that of several processes one does; should that die, another sends it then.
Money that may stay held goes first, each alert for itself. Of very many others of a kind people are told in one
notification: a flood of them must neither bury the money nor teach people to look away.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Sequence
from typing import Any, Final

import apprise
from prometheus_client import Counter
from sqlalchemy import TextClause, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.alerts.model import MONEY
from shared.telemetry.logs import about
from shared.waiting import within

log = logging.getLogger(__name__)
TICK_SECONDS: Final = 1.0
SEND_SECONDS: Final = 15.0
CLAIM_SECONDS: Final = 20
"""How long the others leave to whoever is sending."""
AT_ONCE: Final = 20
CROWD: Final = 50
"""So many alerts of a service and kind are told one by one in :data:`QUIET_SECONDS`; what comes after them as one."""
QUIET_SECONDS: Final = 60.0
"""After a crowd was told of, what joins it is told of so much later."""

sent = Counter("quadrille_notifications_total", "Attempts to notify of an alert", ["outcome"])

_SELECT: Final = (
    "SELECT alert_id, notify_at, notify_attempts AS attempts, severity, title, text, kind, service, checkout_id FROM alerts"
)
_CROWD: Final = " WHERE service = :service AND kind = :kind AND notify_at <= :until"
_MONEY: Final = text(f"{_SELECT} WHERE notify_at <= now() AND kind = ANY (:money) ORDER BY notify_at LIMIT :limit")
_CROWDS: Final = text(
    "SELECT service, kind, count(*) AS alerts, max(notify_at) AS until FROM alerts"
    " WHERE notify_at <= now() AND kind <> ALL (:money) GROUP BY service, kind ORDER BY min(severity)"
)
_OF_CROWD: Final = text(f"{_SELECT}{_CROWD} ORDER BY notify_at LIMIT :limit")
_THIS_ONE: Final = " WHERE alert_id = :alert_id AND notify_at = :notify_at"
"""Unless the alert was opened anew meanwhile, or is over."""
_CLAIM: Final = (
    f"WITH claimed AS (UPDATE alerts SET version = version + 1, notify_at = now() + interval '{CLAIM_SECONDS} s'%s"
    " RETURNING notify_at) SELECT max(notify_at) FROM claimed"
)
_CLAIMED: Final = " WHERE service = :service AND kind = :kind AND notify_at = :claimed"
_SENT: Final = text(f"UPDATE alerts SET notify_at = NULL, version = version + 1{_CLAIMED}")
_LATER: Final = text(
    "UPDATE alerts SET notify_attempts = notify_attempts + 1, version = version + 1,"
    f" notify_at = now() + make_interval(secs => least(300, power(2, least(notify_attempts, 9)))){_CLAIMED}"
)


class Notifier:
    """Sends what is due until cancelled. ``targets``: addresses as Apprise knows them; the log hears of all."""

    def __init__(self, engine: AsyncEngine, targets: Sequence[str]) -> None:
        self._engine = engine
        self._news = asyncio.Event()
        self._told: dict[tuple[str, str], tuple[float, int]] = {}
        self._apprise = apprise.Apprise()
        for target in targets:
            if not self._apprise.add(target):
                raise ValueError(f"Apprise does not know the kind of the alert target {target.split(':', 1)[0]}:…")

    def news(self) -> None:
        """There is something new to send."""
        self._news.set()

    async def run(self) -> None:
        """Send; a database that is away and a target that fails are tried again."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK_SECONDS):
                    await self._news.wait()
            self._news.clear()
            try:
                await self._send_due()
            except (SQLAlchemyError, OSError, TimeoutError) as error:
                log.warning("notifications wait for the database: %r", error)

    async def _send_due(self) -> None:
        money = await self._ask(_MONEY, money=list(MONEY), limit=AT_ONCE)
        for alert in money:
            await self._tell(alert, alert.title, _THIS_ONE, {"alert_id": alert.alert_id, "notify_at": alert.notify_at})
        if len(money) == AT_ONCE:
            self._news.set()
            return
        for crowd in await self._ask(_CROWDS, money=list(MONEY)):
            await self._tell_crowd(crowd)

    async def _tell_crowd(self, crowd: Any) -> None:
        """Of a few, each for itself; of many, the first and how many there are."""
        kind, now = (crowd.service, crowd.kind), time.monotonic()
        since, told = self._told.get(kind, (now, 0))
        if now - since > QUIET_SECONDS:
            since, told = now, 0
        if told > CROWD:
            return
        these = {"service": crowd.service, "kind": crowd.kind, "until": crowd.until}
        if told + crowd.alerts <= CROWD:
            for alert in await self._ask(_OF_CROWD, **these, limit=CROWD):
                await self._tell(alert, alert.title, _THIS_ONE, {"alert_id": alert.alert_id, "notify_at": alert.notify_at})
            self._told[kind] = since, told + crowd.alerts
            return
        for alert in await self._ask(_OF_CROWD, **these, limit=1):
            more = f", and {crowd.alerts - 1} more like it" if crowd.alerts > 1 else ""
            await self._tell(alert, alert.title + more, _CROWD, these)
        self._told[kind] = now, CROWD + 1

    async def _ask(self, question: TextClause, **parameters: Any) -> Sequence[Any]:
        async with self._engine.connect() as connection:
            return (await connection.execute(question, parameters)).all()

    async def _tell(self, alert: Any, title: str, which: str, parameters: dict[str, Any]) -> None:
        """Tell of an alert, unless somebody else does; ``which``: the alerts that are told of by that."""
        async with self._engine.begin() as connection:
            claimed = (await connection.execute(text(_CLAIM % which), parameters)).scalar()
        if claimed is None:
            return
        delivered = await self._deliver(alert, title)
        sent.labels("sent" if delivered else "failed").inc()
        these = {"service": alert.service, "kind": alert.kind, "claimed": claimed}
        async with self._engine.begin() as connection:
            await connection.execute(_SENT if delivered else _LATER, these)

    async def _deliver(self, alert: Any, title: str) -> bool:
        if alert.attempts == 0:
            level = logging.CRITICAL if alert.severity == "critical" else logging.ERROR
            readable = alert.kind != "unreadable"  # what names the checkout of another may be anything
            checkout_id = alert.checkout_id if readable else None
            what = about(alert_id=alert.alert_id, kind=alert.kind, checkout_id=checkout_id)
            log.log(level, "ALERT %s", title, extra=what)
        if len(self._apprise) == 0:
            return True
        told = {"body": alert.text, "title": f"Quadrille: {title}"}
        plainly = apprise.NotifyFormat.TEXT  # it may quote a record, whose markup is no word of ours
        sending = asyncio.to_thread(self._apprise.notify, **told, body_format=plainly)
        try:
            if await within(SEND_SECONDS, sending):
                return True
            log.warning("an alert target did not take what it was told", extra=about(alert_id=alert.alert_id))
            return False
        except Exception as error:  # a plugin of Apprise may raise anything
            log.warning("an alert target failed: %s", type(error).__name__, extra=about(alert_id=alert.alert_id))
            return False
