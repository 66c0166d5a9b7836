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

log = logging.getLogger(__name__)
TICK_SECONDS: Final = 1.0
SEND_SECONDS: Final = 15.0
AT_ONCE: Final = 20

sent = Counter("quadrille_notifications_total", "Attempts to notify of an alert", ["outcome"])

_DUE: Final = text(
    "SELECT n.id, n.attempts, a.severity, a.title, a.text, a.checkout_id FROM notifications n"
    " JOIN alerts a ON a.id = n.alert_id"
    " WHERE n.sent_at IS NULL AND n.due_at <= now() ORDER BY n.id LIMIT :limit"
)
_SENT: Final = text("UPDATE notifications SET sent_at = now(), attempts = attempts + 1 WHERE id = :id")
_LATER: Final = text(
    "UPDATE notifications SET attempts = attempts + 1,"
    " due_at = now() + make_interval(secs => least(300, power(2, least(attempts, 9)))) WHERE id = :id"
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
                await connection.execute(_SENT if delivered else _LATER, {"id": notification.id})
        if len(due) == AT_ONCE:
            self._news.set()

    async def _deliver(self, notification: Any) -> bool:
        if notification.attempts == 0:
            level = logging.CRITICAL if notification.severity == "critical" else logging.ERROR
            log.log(level, "ALERT %s. %s", notification.title, notification.text)
        if len(self._apprise) == 0:
            return True
        sending = asyncio.to_thread(self._apprise.notify, body=notification.text, title=f"Quadrille: {notification.title}")
        try:
            return bool(await asyncio.wait_for(sending, SEND_SECONDS))
        except Exception as error:  # a plugin of Apprise may raise anything
            log.warning("an alert target failed: %r", error)
            return False
