"""Tells people: a durable queue of notifications, sent through Apprise, each until it is delivered."""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from typing import Any, Final

import apprise
from prometheus_client import Counter
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.telemetry.logs import about

log = logging.getLogger(__name__)
TICK_SECONDS: Final = 1.0
SEND_SECONDS: Final = 15.0
AT_ONCE: Final = 20

sent = Counter("quadrille_notifications_total", "Attempts to notify of an alert", ["outcome"])

_DUE: Final = text(
    "SELECT alert_id, notify_at, notify_attempts AS attempts, severity, title, text, kind, checkout_id FROM alerts"
    " WHERE notify_at <= now() ORDER BY notify_at LIMIT :limit"
)
_THIS_ONE: Final = " WHERE alert_id = :alert_id AND notify_at = :notify_at"
"""Unless the alert was opened anew meanwhile, or is over."""
_SENT: Final = text("UPDATE alerts SET notify_at = NULL, version = version + 1" + _THIS_ONE)
_LATER: Final = text(
    "UPDATE alerts SET notify_attempts = notify_attempts + 1, version = version + 1,"
    " notify_at = now() + make_interval(secs => least(300, power(2, least(notify_attempts, 9))))" + _THIS_ONE
)


class Notifier:
    """Sends what is due until cancelled. ``targets``: addresses as Apprise knows them; the log hears of all."""

    def __init__(self, engine: AsyncEngine, targets: Sequence[str]) -> None:
        self._engine = engine
        self._news = asyncio.Event()
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
                await asyncio.wait_for(self._news.wait(), TICK_SECONDS)
            self._news.clear()
            try:
                await self._send_due()
            except (SQLAlchemyError, OSError, TimeoutError) as error:
                log.warning("notifications wait for the database: %r", error)

    async def _send_due(self) -> None:
        async with self._engine.connect() as connection:
            due = (await connection.execute(_DUE, {"limit": AT_ONCE})).all()
        for notification in due:
            delivered = await self._deliver(notification)
            sent.labels("sent" if delivered else "failed").inc()
            async with self._engine.begin() as connection:
                this_one = {"alert_id": notification.alert_id, "notify_at": notification.notify_at}
                await connection.execute(_SENT if delivered else _LATER, this_one)
        if len(due) == AT_ONCE:
            self._news.set()

    async def _deliver(self, notification: Any) -> bool:
        if notification.attempts == 0:
            level = logging.CRITICAL if notification.severity == "critical" else logging.ERROR
            readable = notification.kind != "unreadable"  # what names the checkout of another may be anything
            checkout_id = notification.checkout_id if readable else None
            what = about(alert_id=notification.alert_id, kind=notification.kind, checkout_id=checkout_id)
            log.log(level, "ALERT %s", notification.title, extra=what)
        if len(self._apprise) == 0:
            return True
        sending = asyncio.to_thread(self._apprise.notify, body=notification.text, title=f"Quadrille: {notification.title}")
        try:
            return bool(await asyncio.wait_for(sending, SEND_SECONDS))
        except Exception as error:  # a plugin of Apprise may raise anything
            log.warning("an alert target failed: %s", type(error).__name__, extra=about(alert_id=notification.alert_id))
            return False
