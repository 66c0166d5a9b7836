"""Sends notifications: a durable queue and one worker per target.

A dead or slow target delays no other, and a target gets nothing twice because another failed. A process claims a notification
for :data:`CLAIM_SECONDS` before it sends it. If the process dies, another sends it after that.
"""

import asyncio
import logging
import shlex
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from prometheus_client import Counter
from sqlalchemy import Text, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.alerts.pace import Choice, Pacer, Pending
from services.alerts.targets import LogTarget, Notification, SendError, Target
from shared.runtime.observability.logs import about
from shared.runtime.observability.repeats import REPEATED
from shared.timeouts import wait_for_event

log = logging.getLogger(__name__)
TICK_SECONDS: Final = 1.0
CLAIM_SECONDS: Final = 20
"""How long a process has to send what it claimed; longer than a send may take."""
TIDY_SECONDS: Final = 60.0
AWAY: Final = (SQLAlchemyError, OSError, TimeoutError)

sent = Counter("quadrille_notifications_total", "Attempts to send notifications, by target", ["target", "outcome"])

_ENQUEUE: Final = text(
    "WITH due AS (SELECT alert_id FROM alerts WHERE notify_at <= now() ORDER BY notify_at LIMIT 1000 FOR UPDATE SKIP LOCKED),"
    " known AS (UPDATE alerts AS a SET notify_at = NULL, version = version + 1 FROM due WHERE a.alert_id = due.alert_id"
    " RETURNING a.alert_id)"
    " INSERT INTO notifications (target, alert_id, due_at, attempts)"
    " SELECT target, alert_id, now(), 0 FROM known CROSS JOIN unnest(:targets) AS target"
    " ON CONFLICT (target, alert_id) DO UPDATE SET due_at = excluded.due_at, attempts = 0"
).bindparams(bindparam("targets", type_=ARRAY(Text)))
_TIDY: Final = text(
    "DELETE FROM notifications AS n USING alerts AS a WHERE a.alert_id = n.alert_id AND (a.state = 'resolved'"
    " OR n.target <> ALL (:targets) AND n.due_at < now() - interval '1 day')"
).bindparams(bindparam("targets", type_=ARRAY(Text)))
"""Deletes notifications of resolved alerts, and of targets that are no longer configured."""
_DUE: Final = (
    " FROM notifications AS n JOIN alerts AS a USING (alert_id)"
    " WHERE n.target = :target AND n.due_at <= now() AND a.state <> 'resolved'"
)
_WAITING: Final = text(
    f"SELECT a.service, a.kind, min(a.severity) AS severity, count(*) AS alerts{_DUE} GROUP BY a.service, a.kind"
)
_CLAIM: Final = text(
    f"WITH chosen AS (SELECT n.alert_id{_DUE} AND a.service = :service AND a.kind = :kind"
    " ORDER BY n.attempts, n.due_at LIMIT CAST(:limit AS bigint) FOR UPDATE OF n SKIP LOCKED),"
    f" claimed AS (UPDATE notifications AS n SET due_at = now() + interval '{CLAIM_SECONDS} s' FROM chosen"
    " WHERE n.target = :target AND n.alert_id = chosen.alert_id RETURNING n.alert_id, n.due_at)"
    " SELECT a.alert_id, a.severity, a.title, a.text, a.kind, a.checkout_id, claimed.due_at,"
    " (SELECT count(*) FROM claimed) AS alerts"
    " FROM claimed JOIN alerts AS a USING (alert_id) ORDER BY a.first_seen_at, a.alert_id LIMIT 1"
)
_CLAIMED: Final = " WHERE target = :target AND due_at = :claimed"
"""Unless the alert was opened again meanwhile."""
_SENT: Final = text(f"DELETE FROM notifications{_CLAIMED}")
_LATER: Final = text(
    "UPDATE notifications SET attempts = attempts + 1,"
    f" due_at = now() + make_interval(secs => least(60, power(2, least(attempts, 6)))){_CLAIMED}"
)


class Notifier:
    """Sends due notifications to every target."""

    def __init__(self, engine: AsyncEngine, targets: Sequence[Target]) -> None:
        self._engine, self.queues = engine, [TargetQueue(engine, target) for target in targets]
        self.names = [target.name for target in targets]
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Look for new alerts now."""
        self._woken.set()

    @property
    def failing(self) -> dict[str, tuple[Target, str]]:
        """The targets that refused their last notification, by name, each with the error."""
        return {queue.target.name: (queue.target, queue.error) for queue in self.queues if queue.error}

    @property
    def tried(self) -> Sequence[str]:
        """The names of the targets that were sent a notification since the start."""
        return [queue.target.name for queue in self.queues if queue.tried]

    async def run(self) -> None:
        """Send until cancelled; retry while the database or a target is unreachable."""
        await asyncio.gather(
            _repeat("notifications", self._woken, self._enqueue),
            *(_repeat(f"notifications of {queue.target.name}", queue.woken, queue.send_due) for queue in self.queues),
            self._tidy(),
        )

    async def _enqueue(self) -> None:
        """Put each new alert into the queue of every target."""
        async with self._engine.begin() as connection:
            made = (await connection.execute(_ENQUEUE, {"targets": self.names})).rowcount
        if made:
            self._woken.set()  # there may be more
            for queue in self.queues:
                queue.woken.set()

    async def _tidy(self) -> None:
        while True:
            await asyncio.sleep(TIDY_SECONDS)
            try:
                async with self._engine.begin() as connection:
                    await connection.execute(_TIDY, {"targets": self.names})
            except AWAY as error:
                log.debug("cannot delete old notifications: %r", error)


class TargetQueue:
    """The queue of one target, and its worker. ``error``: why the target refused its last notification."""

    def __init__(self, engine: AsyncEngine, target: Target) -> None:
        self._engine, self.target = engine, target
        self._pacer = Pacer()
        self._counted = not isinstance(target, LogTarget)  # a line in the log notifies nobody
        if self._counted:
            for outcome in ("sent", "failed"):
                sent.labels(target.name, outcome)
        self.woken = asyncio.Event()
        self.error: str | None = None
        self.tried = False

    async def send_due(self) -> None:
        """Send everything that is due, until the target refuses one. Raises if the database is unreachable."""
        while await self._send_next():
            pass

    async def _send_next(self) -> bool:
        """Send one notification, if one is due; returns whether the target accepted it."""
        async with self._engine.connect() as connection:
            found = (await connection.execute(_WAITING, {"target": self.target.name})).all()
        choice = self._pacer.choose([Pending(*row) for row in found], time.monotonic())
        claimed = await self._claim(choice) if choice else None
        if choice is None or claimed is None:
            return False
        title, body = _render(claimed, choice)
        accepted = await self.send(
            Notification(claimed.alert_id, claimed.severity, title, body, claimed.kind, claimed.checkout_id)
        )
        if accepted:
            self._pacer.sent(choice, time.monotonic())
        await self._record(claimed.due_at, accepted=accepted)
        return accepted

    async def send(self, notification: Notification) -> bool:
        """Send to the target, without the database; returns whether it accepted."""
        try:
            await self.target.send(notification)
        except SendError as error:
            if self.error is None:
                extra = about(alert_id=notification.alert_id)
                log.warning("alert target %s fails: %s", self.target.name, error, extra=extra)
            self.error = str(error)
        else:
            self.error = None
        self.tried = True
        if self._counted:
            sent.labels(self.target.name, "failed" if self.error else "sent").inc()
        return self.error is None

    async def _claim(self, choice: Choice) -> Any:
        """Claim an alert to send, with how many it stands for; None if another process claimed it."""
        these = {"target": self.target.name, "service": choice.pending.service, "kind": choice.pending.kind}
        async with self._engine.begin() as connection:
            return (await connection.execute(_CLAIM, {**these, "limit": None if choice.together else 1})).one_or_none()

    async def _record(self, claimed: Any, *, accepted: bool) -> None:
        """Record the result, however long the database is unreachable: otherwise it would be sent again."""
        these = {"target": self.target.name, "claimed": claimed}
        while True:
            try:
                async with self._engine.begin() as connection:
                    await connection.execute(_SENT if accepted else _LATER, these)
                return
            except AWAY as error:
                log.debug("cannot record the result of a notification: %r", error)
                await asyncio.sleep(TICK_SECONDS)


def _render(claimed: Any, choice: Choice) -> tuple[str, str]:
    """The title and the text of a notification about one alert, or about many of a kind."""
    if claimed.alerts == 1:
        return claimed.title, claimed.text
    listing = shlex.join(["quadrille", "alerts", "list", "--kind", choice.pending.kind, "--service", choice.pending.service])
    return f"{claimed.title}, and {claimed.alerts - 1} more like it", f"{claimed.text} List all: `{listing}`."


async def _repeat(what: str, woken: asyncio.Event, work: Callable[[], Awaitable[None]]) -> None:
    """Work at every tick and when woken. An outage of the database is logged once."""
    away = False
    while True:
        await wait_for_event(woken, TICK_SECONDS)
        woken.clear()
        try:
            await work()
            away = False
        except AWAY as error:
            if not away:
                log.warning("%s cannot be sent while the database is unreachable: %r", what, error, extra=REPEATED)
            away = True
